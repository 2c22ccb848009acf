//! Several gateway processes on one Postgres: what one acknowledges is visible through all.
#![cfg(unix)]

#[path = "gateways/timeseries/mod.rs"]
mod timeseries;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use prism_conformance::keyvalue::wire::Served;
use prism_conformance::keyvalue::{Need, Store, cases};
use prism_conformance::run::{Settings, Verdict, run_case};
use prism_conformance::wire::{Connection, Gateway, Options};
use prism_conformance::{Abilities, Ability, Budget, OpenError};
use prism_contract::keyvalue::Key;
use prism_contract::keyvalue::request::{
    DeleteRequest, GetRequest, ItemInput, KeyPredicate, PreconditionInput, PutRequest, ScanRequest,
    SelectionInput,
};
use prism_testkit::{Backend, LazySchema, skips};
use serde_json::Value;

/// A gateway process, killed on drop.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn start(url: &str) -> Self {
        Self::run(|command| command.env("DATABASE_URL", url))
    }

    /// Runs `prism serve` with these arguments and variables.
    fn run(configure: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_prism"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PRISM_") || name == "DATABASE_URL" {
                command.env_remove(name);
            }
        }
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        configure(&mut command);
        command.env("PRISM_LOGGING_FORMAT", "json").env("PRISM_DATABASE_SWEEP_INTERVAL", "20ms");
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "prism ended before it listened");
            let event: Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = event["address"].as_str() {
                break address.to_owned();
            }
        };
        // A process that logs into an unread pipe blocks.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, address }
    }

    async fn connect(&self) -> Arc<dyn Store> {
        let options = Options::new(format!("http://{}", self.address));
        Arc::new(Connection::open(&options).await.unwrap())
    }
}

impl Drop for Process {
    /// SIGKILL.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Gateway processes on a dedicated schema.
struct Processes {
    gateways: Vec<Process>,
    schema: LazySchema,
}

impl Processes {
    async fn start(count: usize) -> Result<Self, OpenError> {
        let schema = LazySchema::new();
        let url = schema.url().await.map_err(OpenError::new)?.to_owned();
        // Concurrently, on a schema without tables: one of them creates the tables.
        let starting = (0..count).map(|_| {
            let url = url.clone();
            tokio::task::spawn_blocking(move || Process::start(&url))
        });
        let gateways = join_all(starting).await.into_iter().map(Result::unwrap).collect();
        Ok(Self { gateways, schema })
    }

    async fn stores(&self) -> Vec<Arc<dyn Store>> {
        join_all(self.gateways.iter().map(Process::connect)).await
    }
}

#[async_trait]
impl Gateway for Processes {
    fn addresses(&self) -> Vec<String> {
        self.gateways.iter().map(|gateway| gateway.address.clone()).collect()
    }

    fn tick(&self) -> Duration {
        Duration::from_millis(100)
    }

    async fn advance(&self, _: Duration) {
        unreachable!("no case about several gateways advances the clock, and processes have the real one");
    }
}

fn put(id: &str, key: &str, value: &str) -> PutRequest {
    let item =
        ItemInput { key: key.to_owned().into(), value: value.to_owned().into(), ..ItemInput::default() };
    PutRequest { namespace: "n".to_owned(), id: id.to_owned(), items: vec![item], ..PutRequest::default() }
}

/// Waits for a condition, for at most half a minute.
async fn until(is_met: impl AsyncFn() -> bool) {
    let met = async {
        while !is_met().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), met).await.expect("the condition within 30 s");
}

fn get(id: &str) -> GetRequest {
    GetRequest { namespace: "n".to_owned(), id: id.to_owned(), ..GetRequest::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cases_about_several_gateways_pass_on_three_processes() {
    if skips(Backend::Postgres, "the_cases_about_several_gateways_pass_on_three_processes") {
        return;
    }
    let several = Need::Ability(Ability::Gateways);
    let harness =
        Served::new("three-processes", || Processes::start(3)).able(Abilities::NONE.with(Ability::Gateways));
    let mut passed = 0;
    for case in cases::all().filter(|case| case.needs.contains(&several)) {
        let settings = Settings { budget: Budget::Ci, ..Settings::default() };
        let verdict = run_case(&harness, case, settings).await.verdict;
        assert_eq!(verdict, Verdict::Passed, "{}", case.id);
        passed += 1;
    }
    assert!(passed >= 2, "only {passed} cases are about several gateways");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compare_and_set_increments_add_up_across_three_processes() {
    const EACH: usize = 15;
    if skips(Backend::Postgres, "compare_and_set_increments_add_up_across_three_processes") {
        return;
    }
    let processes = Processes::start(3).await.unwrap();
    let mut callers = Vec::new();
    for store in [processes.stores().await, processes.stores().await].concat() {
        callers.push(tokio::spawn(async move {
            for _ in 0..EACH {
                while !increment(&*store).await {}
            }
        }));
    }
    let count = callers.len();
    for caller in callers {
        caller.await.unwrap();
    }
    for store in processes.stores().await {
        let items = store.get(get("counter")).await.unwrap().items;
        assert_eq!(items[0].value, (count * EACH).to_string());
    }
}

/// Increments the counter; `false` if another caller was faster.
async fn increment(store: &dyn Store) -> bool {
    let items = store.get(get("counter")).await.unwrap().items;
    let current = items.first().map_or((0, 0), |item| {
        (std::str::from_utf8(&item.value).unwrap().parse::<u64>().unwrap(), item.version)
    });
    let guard = PreconditionInput { key: "count".to_owned().into(), version: current.1 };
    let next =
        PutRequest { preconditions: vec![guard], ..put("counter", "count", &(current.0 + 1).to_string()) };
    match store.put(next).await {
        Ok(_) => true,
        Err(failure) => {
            assert_eq!(failure.code, prism_conformance::StatusCode::FailedPrecondition, "{failure:?}");
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_acknowledged_by_a_killed_process_are_visible_through_the_others() {
    if skips(Backend::Postgres, "writes_acknowledged_by_a_killed_process_are_visible_through_the_others") {
        return;
    }
    let mut processes = Processes::start(2).await.unwrap();
    let stores = processes.stores().await;
    let writers = (0..4).map(|writer| {
        let store = Arc::clone(&stores[0]);
        tokio::spawn(async move {
            let mut acknowledged = 0;
            // Two items per Put, to detect half a Put.
            for round in 1.. {
                let mut both = put(&format!("r{writer}"), "a", &round.to_string());
                both.items.push(ItemInput { key: "b".into(), ..both.items[0].clone() });
                if store.put(both).await.is_err() {
                    break;
                }
                acknowledged = round;
            }
            acknowledged
        })
    });
    let writers: Vec<_> = writers.collect();
    let other = &stores[1];
    until(async || !other.get(get("r3")).await.unwrap().items.is_empty()).await;
    drop(processes.gateways.remove(0));
    for (writer, acknowledged) in join_all(writers).await.into_iter().enumerate() {
        let acknowledged: u64 = acknowledged.unwrap();
        let items = other.get(get(&format!("r{writer}"))).await.unwrap().items;
        let rounds: Vec<u64> =
            items.iter().map(|item| std::str::from_utf8(&item.value).unwrap().parse().unwrap()).collect();
        let whole = rounds.len() == 2 && rounds[0] == rounds[1];
        assert!(whole || (rounds.is_empty() && acknowledged == 0), "half a Put: {rounds:?}");
        let kept = rounds.first().copied().unwrap_or(0);
        // The Put in flight may have taken effect.
        assert!((acknowledged..=acknowledged + 1).contains(&kept), "{kept} of {acknowledged} acknowledged");
    }
    assert!(other.put(put("after", "a", "1")).await.unwrap().results[0].applied);
    drop(processes.schema);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_tombstones_and_expiry_are_shared_while_five_processes_sweep() {
    if skips(Backend::Postgres, "tokens_tombstones_and_expiry_are_shared_while_five_processes_sweep") {
        return;
    }
    let processes = Processes::start(5).await.unwrap();
    let stores = processes.stores().await;
    let [one, other, third, ..] = stores.as_slice() else { panic!("five were started") };
    let with_token = |token| PutRequest { item_priority_token: token, ..put("r", "a", "1") };
    assert!(one.put(with_token(5)).await.unwrap().results[0].applied);
    assert!(!other.put(with_token(5)).await.unwrap().results[0].applied);
    let delete = DeleteRequest {
        namespace: "n".to_owned(),
        id: "r".to_owned(),
        predicate: Some(KeyPredicate::MatchKeys(vec!["a".into()])),
        item_priority_token: 6,
        ..DeleteRequest::default()
    };
    assert_eq!(other.delete(delete).await.unwrap().deleted_count, 1);
    assert!(!third.put(with_token(6)).await.unwrap().results[0].applied);

    let ttl = Some(prism_contract::keyvalue::request::Ttl { seconds: 0, nanos: 200_000_000 });
    for n in 0..50 {
        one.put(PutRequest { ttl, ..put("mortal", &format!("{n:02}"), "1") }).await.unwrap();
        one.put(put("lasting", &format!("{n:02}"), "1")).await.unwrap();
    }
    // Time advances by waiting, while five processes sweep.
    until(async || third.get(get("mortal")).await.unwrap().items.is_empty()).await;
    for store in &stores {
        assert_eq!(store.get(get("mortal")).await.unwrap().items.len(), 0);
        assert_eq!(store.get(get("lasting")).await.unwrap().items.len(), 50);
    }
}

/// PAGE-6, and the same for a Scan's token: each gateway continues from a token of any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_page_may_be_read_from_another_process() {
    if skips(Backend::Postgres, "each_page_may_be_read_from_another_process") {
        return;
    }
    let processes = Processes::start(3).await.unwrap();
    let stores = processes.stores().await;
    let keys = ["a", "b", "c", "d", "e"];
    for key in keys {
        assert!(stores[0].put(put("r", key, "1")).await.unwrap().results[0].applied);
    }
    let selection = SelectionInput { item_limit: 2, ..SelectionInput::default() };
    let (mut got, mut page_token) = (Vec::new(), bytes::Bytes::new());
    for store in &stores {
        let page = store.get(GetRequest { selection, page_token, ..get("r") }).await.unwrap();
        got.extend(page.items.into_iter().map(|item| item.key));
        page_token = page.next_page_token;
    }
    assert_eq!((got, page_token.len()), (keys.map(|key| Key::new(key).unwrap()).to_vec(), 0));

    let (mut scanned, mut resume_token) = (Vec::new(), bytes::Bytes::new());
    for store in &stores {
        let scan =
            ScanRequest { namespace: "n".to_owned(), selection, resume_token, ..ScanRequest::default() };
        // One message from each, continued from the previous one's token.
        let message = store.scan(scan, Some(1)).await.unwrap().swap_remove(0);
        scanned.extend(message.entries.into_iter().map(|entry| entry.item.key));
        resume_token = message.resume_token;
    }
    assert_eq!((scanned, resume_token.len()), (keys.map(|key| Key::new(key).unwrap()).to_vec(), 0));
}
