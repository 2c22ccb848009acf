//! The cost of what a namespace may have: `stack [ROUNDS [KIND...]]`. Gateways over SQLite files in one process, called in turn in each
//! round: with one backend and nothing else, with 10,000 rules, with tokens, a policy, a rate and an audit log, and with
//! encryption. Prints the medians of throughput, and of its ratio to the first gateway in the same round.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, stream};
use prism_backends::wrap::encrypt::{KeyRing, MasterKey};
use prism_backends::{Sqlite, sqlite};
use prism_contract::keyvalue::KeyValueBackend;
use prism_contract::keyvalue::request::{GetRequest, ItemInput, PutRequest};
use prism_proxy::audit::Audit;
use prism_proxy::catalog::{Catalog, Definitions, Snapshot};
use prism_proxy::config::{
    self, Digest, LimitsOfRule, NamespaceRule, Namespaces, Permission, Rate, Rule, Token, Undeclared,
};
use prism_proxy::server::{AuditOptions, Options, Services, Shutdown, Store, run};
use prism_wire::channel;
use prism_wire::keyvalue::Client;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The allocator of `prism`: lines of the audit log are freed by another thread than that which made them.
#[cfg(not(windows))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Calls at a time.
const CONCURRENCY: usize = 64;
/// Calls of a measurement.
const CALLS: usize = 8_192;
/// Records, so that writes meet existing items.
const RECORDS: usize = 1_024;
/// Bytes of a value.
const VALUE: usize = 100;
const NAMESPACE: &str = "orders-5000";
const TOKEN: &str = "a token of the benchmark";

/// What a gateway has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One backend for all namespaces.
    Plain,
    /// 10,000 rules, half of them prefixes.
    Rules,
    /// Tokens, a policy, a rate and an audit log.
    Stack,
    /// The same without the audit log.
    StackWithoutAudit,
    /// Encryption.
    Encrypt,
}

const KINDS: [Kind; 5] = [Kind::Plain, Kind::Rules, Kind::StackWithoutAudit, Kind::Stack, Kind::Encrypt];

struct Gateway {
    kind: Kind,
    client: Client,
    ratios: [Vec<f64>; 2],
    rates: [Vec<f64>; 2],
}

#[expect(clippy::print_stdout, reason = "prints its measurements")]
fn main() {
    let rounds = std::env::args().nth(1).map_or(9, |rounds| rounds.parse().expect("a number of rounds"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let mut gateways = Vec::new();
        for kind in chosen(std::env::args().skip(2)) {
            gateways.push(Gateway::start(kind, &folder).await);
        }
        // The first round warms up.
        for round in 0..=rounds {
            for (at, read) in [false, true].into_iter().enumerate() {
                let mut first = 0.0;
                for gateway in &mut gateways {
                    let rate = gateway.measure(read).await;
                    first = if first == 0.0 { rate } else { first };
                    if round > 0 {
                        gateway.rates[at].push(rate);
                        gateway.ratios[at].push(rate / first);
                    }
                }
            }
        }
        println!("{CONCURRENCY} calls at a time, values of {VALUE} bytes, medians of {rounds} rounds:");
        for gateway in &mut gateways {
            let [put, get] = gateway.rates.each_mut().map(|rates| median(rates));
            let [put_ratio, get_ratio] = gateway.ratios.each_mut().map(|ratios| 100.0 * median(ratios));
            println!(
                "  {:<18} put {put:>6.0}/s {put_ratio:>6.1} %   get {get:>6.0}/s {get_ratio:>6.1} %",
                format!("{:?}", gateway.kind)
            );
        }
    });
}

/// The kinds with these names; all without a name.
fn chosen(names: impl Iterator<Item = String>) -> Vec<Kind> {
    let find = |name: String| {
        let known = KINDS.into_iter().find(|kind| format!("{kind:?}") == name);
        known.unwrap_or_else(|| panic!("{name} is not a kind; {KINDS:?} are"))
    };
    let chosen: Vec<_> = names.map(find).collect();
    if chosen.is_empty() { KINDS.to_vec() } else { chosen }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Gateway {
    async fn start(kind: Kind, folder: &TempDir) -> Self {
        let path = |what: &str| folder.path().join(format!("{kind:?}.{what}"));
        let sqlite = Sqlite::open(sqlite::Options::new(path("db"))).await.expect("the file opens");
        let backend = Arc::new(sqlite) as Arc<dyn KeyValueBackend>;
        let name = "main".to_owned();
        let (undeclared, default_backend) = (Undeclared::Allow, Some(name.clone()));
        let namespaces = Namespaces { undeclared, default_backend, rules: rules(kind) };
        let definitions = Definitions::of(&namespaces, std::slice::from_ref(&name));
        let mut snapshot = Snapshot::new(definitions, vec![Arc::clone(&backend)]);
        if kind == Kind::Encrypt {
            let key = MasterKey::from_base64("k1", &STANDARD.encode([7; 32])).expect("a key");
            let ring = KeyRing::new(vec![Arc::new(key)], "k1").expect("a ring");
            snapshot = snapshot.with_keys(Some(&Arc::new(ring)));
        }
        let catalog = Catalog::new(snapshot);
        let mut options = Options::default();
        let is_stack = matches!(kind, Kind::Stack | Kind::StackWithoutAudit);
        if is_stack {
            options.auth = vec![Token {
                name: "bench".to_owned(),
                digest: Digest::of(TOKEN.as_bytes()),
                permissions: vec![Permission::Read, Permission::Write],
                namespaces: Some(vec![NamespaceRule::Prefix("orders-".to_owned())]),
            }]
            .into();
        }
        if kind == Kind::Stack {
            let log = Audit::open(&path("audit"), &config::Audit::default()).expect("the audit log opens");
            let catalog = catalog.clone();
            options.audit = Some(AuditOptions { log, audits: Arc::new(move |name| catalog.audits(name)) });
        }
        let store = Store {
            name,
            required: true,
            sweep_interval: None,
            keyvalue: backend,
            timeseries: None,
            observed: Arc::default(),
        };
        let services = Services { stores: vec![store], catalog, definitions: is_stack.then_some(0) };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(run(services, listener, Shutdown::new(), options));
        // Sent to all, so that the calls are the same.
        let options = channel::Options { token: Some(TOKEN.to_owned()), ..channel::Options::new(address) };
        let client = Client::connect(&options).await.expect("the gateway answers");
        Self { kind, client, ratios: Default::default(), rates: Default::default() }
    }

    /// Calls per second.
    async fn measure(&self, read: bool) -> f64 {
        let began = Instant::now();
        let calls = stream::iter(0..CALLS).map(|number| async move {
            let (namespace, id) = (NAMESPACE.to_owned(), format!("r{}", number % RECORDS));
            if read {
                let page = self.client.get(GetRequest { namespace, id, ..GetRequest::default() }).await;
                assert_eq!(page.expect("a Get succeeds").items.len(), 1);
            } else {
                let item =
                    ItemInput { key: "k".into(), value: vec![7; VALUE].into(), ..ItemInput::default() };
                let put = PutRequest { namespace, id, items: vec![item], ..PutRequest::default() };
                self.client.put(put).await.expect("a Put succeeds");
            }
        });
        calls.buffer_unordered(CONCURRENCY).for_each(|()| async {}).await;
        f64::from(u32::try_from(CALLS).unwrap_or_default()) / began.elapsed().as_secs_f64()
    }
}

fn rules(kind: Kind) -> Vec<Rule> {
    let exactly = |name: &str| Rule::new(NamespaceRule::Exactly(name.to_owned()));
    match kind {
        Kind::Plain => Vec::new(),
        Kind::Rules => (0..10_000)
            .map(|number| match number % 2 {
                0 => exactly(&format!("orders-{number}")),
                _ => Rule::new(NamespaceRule::Prefix(format!("{}-{number}-", "x".repeat(number % 50 + 1)))),
            })
            .collect(),
        Kind::Stack | Kind::StackWithoutAudit => vec![Rule {
            max_ttl: Some(Duration::from_hours(24)),
            limits: LimitsOfRule { value_bytes: Some(64 << 10), ..LimitsOfRule::default() },
            rate: Rate { reads: Some(1e6), writes: Some(1e6), burst: None },
            audit: Some(true),
            ..Rule::new(NamespaceRule::Prefix("orders-".to_owned()))
        }],
        Kind::Encrypt => vec![Rule { encrypt: true, ..exactly(NAMESPACE) }],
    }
}
