//! The gateway under test: this program as a separate process, which logs as `prism serve` does. A call's namespace decides
//! what its backend does.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use prism_backends::{Sqlite, sqlite};
use prism_contract::keyvalue::{Delete, EntryPage, Get, ItemPage, KeyValueBackend, Put, PutResult, Scan};
use prism_contract::timeseries::{
    self, Append, Bucket, DeleteEvents, EventPage, Histogram, ListSeries, Position, Query, Series,
    SeriesPage, Start, Tail, TailPage, TimeSeriesBackend,
};
use prism_contract::{Error, Lifecycle, Namespace, forward};
use prism_proxy::audit::Audit;
use prism_proxy::catalog::{Catalog, Definitions, Snapshot};
use prism_proxy::config::{
    self, Abstraction, Digest, LogFormat, Logging, NamespaceRule, Namespaces, Permission, Rule, Token,
    Undeclared,
};
use prism_proxy::logging;
use prism_proxy::server::{AuditOptions, Options, Services, Shutdown, Store, run as serve};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};

use crate::{FORMATS, LEVELS};

/// The environment variable that makes this program the gateway: level, format and folder.
const SETTINGS: &str = "MASKING_TEST_GATEWAY";

/// The KeyValue namespaces that are served. Calls of the first succeed.
const NAMESPACES: [&str; 5] = ["n", "fails", "breaks", "panics", "hangs"];
/// What the names of the same TimeSeries namespaces begin with.
pub(crate) const EVENTS: &str = "events-";
/// Tokens: of every permission, of reading only, and of another namespace.
pub(crate) const ALL: &str = "Bearer all-secret";
pub(crate) const READER: &str = "Bearer reader-secret";
pub(crate) const ELSEWHERE: &str = "Bearer elsewhere-secret";

/// A running gateway.
pub(crate) struct Gateway {
    child: Child,
    address: String,
    log: JoinHandle<Vec<u8>>,
    folder: TempDir,
}

impl Gateway {
    pub(crate) fn start(logging: Logging) -> Self {
        let folder = TempDir::new().unwrap();
        let level = LEVELS.iter().find(|(_, level)| *level == logging.level).unwrap().0;
        let format = FORMATS.iter().find(|(_, format)| *format == logging.format).unwrap().0;
        let mut child = Command::new(env::current_exe().unwrap())
            .env(SETTINGS, format!("{level} {format} {}", folder.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = thread::spawn(move || {
            let mut log = Vec::new();
            stderr.read_to_end(&mut log).unwrap();
            log
        });
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { child, address: address.trim().to_owned(), log, folder }
    }

    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::try_from(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    /// Ends it: its log and its audit log.
    pub(crate) fn stop(mut self) -> (Vec<u8>, Vec<u8>) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        (self.log.join().unwrap(), std::fs::read(self.folder.path().join("audit.jsonl")).unwrap())
    }
}

/// The settings of the gateway's process.
pub(crate) struct Settings {
    logging: Logging,
    folder: PathBuf,
}

impl Settings {
    pub(crate) fn of_environment() -> Option<Self> {
        let settings = env::var(SETTINGS).ok()?;
        let [level, format, folder] = settings.splitn(3, ' ').collect::<Vec<_>>().try_into().ok()?;
        let level = LEVELS.into_iter().find(|(name, _)| *name == level)?.1;
        let format: LogFormat = FORMATS.into_iter().find(|(name, _)| *name == format)?.1;
        Some(Self { logging: Logging { level, format, ..Logging::default() }, folder: folder.into() })
    }
}

/// Serves until the standard input ends.
pub(crate) fn run(settings: &Settings) {
    let _log = logging::start(settings.logging, None).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let database = sqlite::Options::new(settings.folder.join("prism.db"));
        let engine = Arc::new(Sqlite::open(database).await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        announce(&listener.local_addr().unwrap().to_string());
        let shutdown = Shutdown::new();
        let of_input = shutdown.clone();
        thread::spawn(move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            of_input.drain();
        });
        let audit = Audit::open(&settings.folder.join("audit.jsonl"), &config::Audit::default()).unwrap();
        let options = Options {
            auth: tokens().into(),
            audit: Some(AuditOptions { log: audit, audits: Arc::new(|_| true) }),
            ..Options::default()
        };
        serve(services(engine), listener, shutdown, options).await.unwrap();
    });
}

#[expect(clippy::print_stdout, reason = "the test reads the address from there")]
fn announce(address: &str) {
    println!("{address}");
}

fn tokens() -> Vec<Token> {
    let token = |name: &str, permissions: &[Permission], namespaces| Token {
        name: name.to_owned(),
        digest: Digest::of(format!("{name}-secret").as_bytes()),
        permissions: permissions.to_vec(),
        namespaces,
    };
    let other = NamespaceRule::Exactly("other".to_owned());
    vec![
        token("all", &[Permission::Read, Permission::Write, Permission::Admin], None),
        token("reader", &[Permission::Read], None),
        token("elsewhere", &[Permission::Read, Permission::Write, Permission::Admin], Some(vec![other])),
    ]
}

fn services(engine: Arc<Sqlite>) -> Services {
    let backend: Arc<dyn KeyValueBackend> = Arc::new(ByNamespace(Arc::clone(&engine) as _));
    let events: Arc<dyn TimeSeriesBackend> = Arc::new(EventsByNamespace(engine));
    let rule = |name: String, abstraction| Rule { abstraction, ..Rule::new(NamespaceRule::Exactly(name)) };
    let rules = NAMESPACES.into_iter().flat_map(|name| {
        let events = Abstraction::TimeSeries(timeseries::Policy::default());
        [rule(name.to_owned(), Abstraction::KeyValue), rule(format!("{EVENTS}{name}"), events)]
    });
    let namespaces =
        Namespaces { undeclared: Undeclared::Refuse, default_backend: None, rules: rules.collect() };
    let name = "main".to_owned();
    let definitions = Definitions::of(&namespaces, std::slice::from_ref(&name));
    let snapshot = Snapshot::new(definitions, vec![Arc::clone(&backend)]);
    let catalog = Catalog::new(snapshot.with_timeseries([Some(Arc::clone(&events))]));
    Services {
        stores: vec![Store {
            name,
            required: true,
            sweep_interval: None,
            keyvalue: backend,
            timeseries: Some(events),
            observed: Arc::default(),
        }],
        catalog,
        definitions: Some(0),
    }
}

/// SQLite, but for the namespaces whose calls fail.
struct ByNamespace(Arc<dyn KeyValueBackend>);

/// Fails as the namespace says. A panic's text holds the operation, with its ids, keys and values.
#[track_caller]
fn fail(namespace: &Namespace, operation: &(impl std::fmt::Debug + ?Sized)) -> Result<bool, Error> {
    match namespace.as_str().trim_start_matches(EVENTS) {
        "fails" => Err(Error::unavailable("the database is away")),
        "breaks" => Err(Error::internal("a bug")),
        "panics" => panic!("a bug in {operation:?}"),
        "hangs" => Ok(true),
        _ => Ok(false),
    }
}

/// The calls of `hangs` never end.
macro_rules! pass {
    ($operation:expr) => {
        if fail(&$operation.namespace, &$operation)? {
            std::future::pending::<()>().await;
        }
    };
}

#[async_trait]
impl Lifecycle for ByNamespace {
    forward!(Lifecycle: self => self.0, [check, sweep, close]);
}

#[async_trait]
impl KeyValueBackend for ByNamespace {
    forward!(KeyValueBackend: self => self.0, [capabilities]);

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        pass!(put);
        self.0.put(put).await
    }

    async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        pass!(get);
        self.0.get(get).await
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        pass!(delete);
        self.0.delete(delete).await
    }

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        pass!(scan);
        self.0.scan(scan).await
    }
}

/// The same for TimeSeries.
struct EventsByNamespace(Arc<dyn TimeSeriesBackend>);

impl Lifecycle for EventsByNamespace {
    forward!(Lifecycle: self => self.0, [check, sweep, close]);
}

#[async_trait]
impl TimeSeriesBackend for EventsByNamespace {
    forward!(TimeSeriesBackend: self => self.0, [capabilities, appended, expire, repartitioned]);

    async fn append(&self, append: Append) -> Result<Vec<bool>, Error> {
        pass!(append);
        self.0.append(append).await
    }

    async fn query(&self, query: &Query) -> Result<EventPage, Error> {
        pass!(query);
        self.0.query(query).await
    }

    async fn position(
        &self,
        namespace: &Namespace,
        series: Option<&Series>,
        start: Start,
    ) -> Result<Position, Error> {
        if fail(namespace, &(series, start))? {
            std::future::pending::<()>().await;
        }
        self.0.position(namespace, series, start).await
    }

    async fn tail(&self, tail: &Tail) -> Result<TailPage, Error> {
        pass!(tail);
        self.0.tail(tail).await
    }

    async fn list_series(&self, list: &ListSeries) -> Result<SeriesPage, Error> {
        pass!(list);
        self.0.list_series(list).await
    }

    async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>, Error> {
        pass!(histogram);
        self.0.histogram(histogram).await
    }

    async fn delete_events(&self, delete: DeleteEvents) -> Result<u64, Error> {
        pass!(delete);
        self.0.delete_events(delete).await
    }
}
