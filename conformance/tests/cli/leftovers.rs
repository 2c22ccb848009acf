//! Data that a run leaves in a server at an address: it is reported, and `--clean` deletes it and nothing else.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use prism_conformance::Failure;
use prism_conformance::keyvalue::{KeyValue, Store};
use prism_conformance::wire::Server;
use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, ItemInput,
    PutRequest, PutResponse, ScanRequest, ScanResponse,
};
use tokio::process::Command;
use tokio::time::timeout;

use crate::servers::Sound;
use crate::signals::end_by;
use crate::{prism_conformance, run_at};

/// A sound server that remembers which records were written.
struct Watched {
    store: Sound,
    records: Mutex<BTreeSet<(String, String)>>,
    /// Number of successful Puts.
    puts: tokio::sync::watch::Sender<usize>,
}

impl Watched {
    fn new() -> Arc<Self> {
        let (puts, _) = tokio::sync::watch::channel(0);
        Arc::new(Self { store: Sound::new(), records: Mutex::default(), puts })
    }

    /// Writes an item that belongs to no run.
    async fn write(&self, namespace: &str) {
        let item = ItemInput { key: "k".into(), value: "v".into(), ..ItemInput::default() };
        let put = PutRequest {
            namespace: namespace.to_owned(),
            id: "r".to_owned(),
            items: vec![item],
            ..PutRequest::default()
        };
        self.store.put(put).await.expect("the Put succeeds");
    }

    async fn is_there(&self, namespace: &str, id: &str) -> bool {
        let get = GetRequest { namespace: namespace.to_owned(), id: id.to_owned(), ..GetRequest::default() };
        !self.store.get(get).await.expect("the Get succeeds").items.is_empty()
    }

    /// Number of written records that still have an item, and of all written records.
    async fn records(&self) -> (usize, usize) {
        let records = self.records.lock().unwrap().clone();
        let mut alive = 0;
        for (namespace, id) in &records {
            alive += usize::from(self.is_there(namespace, id).await);
        }
        (alive, records.len())
    }
}

#[async_trait]
impl Store for Watched {
    async fn put(&self, request: PutRequest) -> Result<PutResponse, Failure> {
        let record = (request.namespace.clone(), request.id.clone());
        let answer = self.store.put(request).await;
        if answer.is_ok() {
            self.records.lock().unwrap().insert(record);
            self.puts.send_modify(|puts| *puts += 1);
        }
        answer
    }

    async fn get(&self, request: GetRequest) -> Result<GetResponse, Failure> {
        self.store.get(request).await
    }

    async fn delete(&self, request: DeleteRequest) -> Result<DeleteResponse, Failure> {
        self.store.delete(request).await
    }

    async fn scan(
        &self,
        request: ScanRequest,
        messages: Option<usize>,
    ) -> Result<Vec<ScanResponse>, Failure> {
        self.store.scan(request, messages).await
    }

    async fn scan_messages(
        &self,
        request: ScanRequest,
    ) -> Result<BoxStream<'static, Result<ScanResponse, Failure>>, Failure> {
        self.store.scan_messages(request).await
    }

    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure> {
        self.store.describe(request).await
    }
}

/// Parses the line about data left or deleted: `COUNT records in COUNT namespaces named PREFIX*`.
fn summary(out: &str, verb: &str) -> (usize, usize, String) {
    let line = out.lines().find(|line| line.starts_with(verb)).unwrap_or_else(|| panic!("{out}"));
    let words: Vec<_> = line.split([' ', ',', ';']).collect();
    assert!(words[2].starts_with("record") && words[5].starts_with("namespace"), "{line}");
    (words[1].parse().expect(line), words[4].parse().expect(line), words[7].to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_reports_what_it_leaves_in_the_server_by_its_namespace_prefix() {
    let store = Watched::new();
    let server = Server::start::<KeyValue>(Arc::<Watched>::clone(&store)).await.unwrap();
    let report = tempfile::tempdir().unwrap();
    let json = report.path().join("report.json");
    let more = ["--only", "put", "--json", json.to_str().unwrap()];
    let answer = run_at(server.address(), &more).await;
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    let (records, namespaces, names) = summary(&answer.out, "left ");
    let written = store.records.lock().unwrap().clone();
    assert_eq!(records, written.len());
    let prefix = names.strip_suffix('*').unwrap();
    assert!(written.iter().all(|(namespace, _)| namespace.starts_with(prefix)), "{prefix}: {written:?}");
    let all: BTreeSet<_> = written.iter().map(|(namespace, _)| namespace).collect();
    assert_eq!(namespaces, all.len());
    assert!(answer.out.contains("; with --clean a run deletes what it wrote\n"), "{}", answer.out);
    let json = std::fs::read_to_string(json).unwrap();
    assert!(json.contains(&names), "the report does not name {names}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_clean_a_run_deletes_what_it_wrote_and_nothing_else() {
    let store = Watched::new();
    let other = ["mine", "conformance-0-0-0"];
    for namespace in other {
        store.write(namespace).await;
    }
    let server = Server::start::<KeyValue>(Arc::<Watched>::clone(&store)).await.unwrap();
    let answer = run_at(server.address(), &["--clean"]).await;
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    let (records, ..) = summary(&answer.out, "deleted ");
    let (alive, written) = store.records().await;
    assert_eq!(alive, 0, "{}", answer.out);
    // The run does not know whether a cancelled Put was applied.
    assert!(written > 500 && records.abs_diff(written) <= 16, "{records} of {written}");
    for namespace in other {
        assert!(store.is_there(namespace, "r").await, "{namespace} is gone");
    }
    assert!(
        answer.out.contains("expired items and tombstones are out of a client's reach"),
        "{}",
        answer.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ended_by_a_signal_cleans_up_or_reports_what_it_leaves() {
    for (clean, verb) in [(true, "deleted "), (false, "left ")] {
        let store = Watched::new();
        let server = Server::start::<KeyValue>(Arc::<Watched>::clone(&store)).await.unwrap();
        let mut puts = store.puts.subscribe();
        let mut command = Command::new(env!("CARGO_BIN_EXE_prism-conformance"));
        let endpoint = format!("http://{}", server.address());
        command.args(["run", "--budget", "soak", "--jobs", "8", "--endpoint", &endpoint]);
        if clean {
            command.arg("--clean");
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        timeout(Duration::from_mins(1), puts.wait_for(|puts| *puts > 2_000)).await.unwrap().unwrap();
        let output = end_by(child, "TERM").await;
        assert_eq!(output.status.code(), Some(143));
        let out = String::from_utf8(output.stdout).unwrap();
        let (records, ..) = summary(&out, verb);
        let (alive, written) = store.records().await;
        assert_eq!(alive > 0, !clean, "{out}");
        // The run does not know whether a Put in flight at the signal was applied.
        assert!(written > 100 && records.abs_diff(written) <= 64, "{records} of {written}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_is_refused_for_a_spawned_server() {
    let answer = prism_conformance(&["run", "--clean", "--spawn", "no-such-command"]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(2), ""), "{}", answer.err);
    assert!(answer.err.contains("'--clean' cannot be used with '--spawn <COMMAND>'"), "{}", answer.err);
}
