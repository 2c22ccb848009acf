//! The audit log over gRPC: which calls have a line, what it shows, and what happens if it cannot be written.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use prism_contract::keyvalue::request::{
    DeleteRequest, GetRequest, KeyPredicate, PreconditionInput, PutRequest, ScanRequest, SelectionInput,
};
use prism_proto::keyvalue::v1 as pb;
use prism_proto::keyvalue::v1::key_value_service_client::KeyValueServiceClient;
use prism_proxy::audit::Audit;
use prism_proxy::audit::verify::{Verdict, verify};
use prism_proxy::config::{self, AuditFailure, AuditShow, Digest, NamespaceRule, Permission, Token};
use prism_proxy::server::{AuditOptions, AuthState};
use prism_wire::keyvalue::Resume;
use rstest::rstest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tonic::{Code, Request};

use crate::support::{Mode, Server, Steered, delete, describe, get, item, put, refusal, scan, until};

/// An audit log in a folder of its test.
struct Log {
    folder: TempDir,
    settings: config::Audit,
}

impl Log {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), settings: config::Audit::default() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    /// A server that audits every namespace whose name begins with `n`.
    async fn server(&self, backend: Arc<Steered>) -> Server {
        self.server_with(&self.path(), backend, AuthState::default()).await
    }

    async fn server_with(&self, path: &Path, backend: Arc<Steered>, auth: AuthState) -> Server {
        let log = Audit::open(path, &self.settings).unwrap();
        Server::start_with(backend, |options| {
            options.auth = auth;
            options.audit = Some(AuditOptions { log, audits: Arc::new(|name| name.starts_with('n')) });
        })
        .await
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The lines of calls.
    fn calls(&self) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line.get("method").is_some()).collect()
    }

    fn is_verified(&self) {
        let report = verify(&[self.path()], None).unwrap();
        assert_eq!((report.verdict, report.problems), (Verdict::Verified, vec![]));
    }

    /// How a value appears in the file.
    fn hash(&self, value: &str) -> Value {
        let salt = self.lines()[0]["salt"].as_str().unwrap().to_owned();
        let hash = Sha256::digest(format!("{salt}{value}"));
        let digits = |byte: &u8| format!("{byte:02x}");
        hash.iter().map(digits).collect::<Vec<_>>().concat().into()
    }
}

fn short(line: &Value) -> (&str, &str) {
    let method = line["method"].as_str().unwrap();
    (method.rsplit('/').next().unwrap(), line["status"].as_str().unwrap())
}

#[tokio::test]
async fn each_call_has_its_line_by_the_time_of_its_answer() {
    let log = Log::new();
    let server = log.server(Steered::new(Mode::Works)).await;
    let client = server.client().await;
    client.put(put(vec![item("a", "1"), item("b", "2")])).await.unwrap();
    assert_eq!(log.calls().len(), 1, "Put");
    client.get(get()).await.unwrap();
    assert_eq!(log.calls().len(), 2, "Get");
    let one = SelectionInput { item_limit: 1, ..SelectionInput::default() };
    let messages = client.scan(ScanRequest { selection: one, ..scan() }, Resume::Never);
    assert_eq!(messages.collect::<Vec<_>>().await.len(), 2);
    assert_eq!(log.calls().len(), 3, "Scan");
    let keys = Some(KeyPredicate::MatchKeys(vec!["a".into()]));
    client.delete(DeleteRequest { predicate: keys, ..delete() }).await.unwrap();
    assert_eq!(log.calls().len(), 4, "Delete");
    refusal(client.delete(delete()).await);
    let calls = log.calls();
    let ends: Vec<_> = calls.iter().map(short).collect();
    let ok = ["Put", "Get", "Scan", "Delete"].map(|method| (method, "OK"));
    assert_eq!(ends, [&ok[..], &[("Delete", "INVALID_ARGUMENT")]].concat());
    assert_eq!(calls[2]["messages"], 2);
    assert_eq!(calls[1].get("messages"), None);
    log.is_verified();
}

#[tokio::test]
async fn a_line_names_the_caller_and_the_data_and_its_request_id_is_that_of_the_answer() {
    let log = Log::new();
    let token = Token {
        name: "app".to_owned(),
        digest: Digest::of(b"secret"),
        permissions: vec![Permission::Read, Permission::Write],
        namespaces: None,
    };
    let server = log.server_with(&log.path(), Steered::new(Mode::Works), vec![token].into()).await;
    let mut client = KeyValueServiceClient::new(server.channel().await);
    let keys = (0..250).map(|at| format!("k{at}"));
    let request = pb::PutRequest {
        namespace: "n".to_owned(),
        id: "i".to_owned(),
        items: keys.map(|key| pb::Item { key: key.into(), ..pb::Item::default() }).collect(),
        preconditions: vec![pb::Precondition { key: "p".into(), version: 0 }],
        ..pb::PutRequest::default()
    };
    let mut request = Request::new(request);
    request.metadata_mut().insert("authorization", "Bearer secret".parse().unwrap());
    let answer = client.put(request).await.unwrap();
    let line = &log.calls()[0];
    let id = answer.metadata().get("x-request-id").unwrap().to_str().unwrap();
    assert_eq!(line["request_id"], id);
    assert_eq!((&line["caller"], &line["namespace"]), (&json!("app"), &json!("n")));
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!((&line["decision"], &line["status"]), (&json!("allowed"), &json!("OK")));
    assert!(line["latency_us"].as_u64().unwrap() > 0);
    assert!(line["time"].as_str().unwrap().len() == "2026-01-31T12:00:00.000000Z".len());
    assert_eq!(line["id"], log.hash("i"));
    let keys = line["keys"].as_array().unwrap();
    assert_eq!((keys.len(), &keys[99]), (100, &log.hash("k99")));
    assert_eq!(line["keys_omitted"], 150);
    assert_eq!(line["preconditions"], json!([log.hash("p")]));
}

#[tokio::test]
async fn ranges_and_prefixes_are_shown_and_an_open_end_is_empty() {
    let log = Log::new();
    let server = log.server(Steered::new(Mode::Works)).await;
    let client = server.client().await;
    let range = KeyPredicate::MatchRange { start: "a".into(), end: "".into() };
    let prefix = KeyPredicate::MatchPrefix("p".into());
    for predicate in [range, prefix, KeyPredicate::MatchAll] {
        client.get(GetRequest { predicate: Some(predicate), ..get() }).await.unwrap();
    }
    client.scan(scan(), Resume::Never).collect::<Vec<_>>().await;
    let calls = log.calls();
    assert_eq!(calls[0]["range"], json!([log.hash("a"), ""]));
    assert_eq!(calls[1]["prefix"], json!([log.hash("p")]));
    assert_eq!((calls[2].get("keys"), calls[2].get("range")), (None, None));
    assert_eq!((&calls[3]["id"], &calls[3]["namespace"]), (&Value::Null, &json!("n")));
}

const ID: &str = "the-secret-id";
const KEY: &str = "the-secret-key";
const VALUE: &str = "the-secret-value";

/// Calls with marked ids, keys and values, which succeed and fail.
async fn marked_calls(server: &Server) {
    let client = server.client().await;
    let put = PutRequest { id: ID.to_owned(), ..put(vec![item(KEY, VALUE)]) };
    client.put(put.clone()).await.unwrap();
    let preconditions = vec![PreconditionInput { key: KEY.into(), version: 999 }];
    client.put(PutRequest { preconditions, ..put.clone() }).await.unwrap_err();
    client.put(PutRequest { items: vec![item(KEY, VALUE), item(KEY, VALUE)], ..put }).await.unwrap_err();
    let get = GetRequest { id: ID.to_owned(), ..get() };
    client.get(get.clone()).await.unwrap();
    for predicate in [
        KeyPredicate::MatchKeys(vec![KEY.into()]),
        KeyPredicate::MatchPrefix(KEY.into()),
        KeyPredicate::MatchRange { start: KEY.into(), end: "a".into() },
    ] {
        let _ = client.get(GetRequest { predicate: Some(predicate.clone()), ..get.clone() }).await;
        let delete = DeleteRequest { id: ID.to_owned(), predicate: Some(predicate), ..delete() };
        let _ = client.delete(delete).await;
    }
    let scan = ScanRequest { id: ID.to_owned(), ..scan() };
    client.scan(scan, Resume::Never).collect::<Vec<_>>().await;
}

#[tokio::test]
async fn no_id_or_key_is_in_a_hashed_log_and_no_value_in_any() {
    let mut log = Log::new();
    let server = log.server(Steered::new(Mode::Works)).await;
    marked_calls(&server).await;
    let calls = log.calls();
    assert_eq!(calls.len(), 11);
    assert!(!log.text().contains("the-secret"), "{}", log.text());
    assert!(calls.iter().all(|call| call["id"] == log.hash(ID)), "equal ids have equal hashes");

    log = Log { settings: config::Audit { show: AuditShow::Plain, ..log.settings }, ..Log::new() };
    let server = log.server(Steered::new(Mode::Works)).await;
    marked_calls(&server).await;
    assert!(log.calls().iter().all(|call| call["id"] == ID));
    assert_eq!(log.calls()[0]["keys"], json!([KEY]));
    assert!(!log.text().contains(VALUE), "{}", log.text());
}

#[tokio::test]
async fn a_restart_continues_the_chain_and_the_hashes_of_ids() {
    let log = Log::new();
    for _ in 0..2 {
        let mut server = log.server(Steered::new(Mode::Works)).await;
        server.client().await.get(get()).await.unwrap();
        server.shutdown.drain();
        (&mut server.running).await.unwrap().unwrap();
    }
    assert!(log.calls().iter().all(|call| call["id"] == log.hash("i")));
    let lines = log.lines();
    let events: Vec<_> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(events, ["started", "stopped", "started", "stopped"]);
    log.is_verified();
}

#[tokio::test]
async fn calls_to_other_namespaces_and_methods_without_data_have_no_line() {
    let log = Log::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let audit = Audit::open(&log.path(), &log.settings).unwrap();
    let server = Server::start_with(Steered::new(Mode::Works), |options| {
        let audits = move |_: &str| {
            counter.fetch_add(1, Ordering::SeqCst);
            false
        };
        options.audit = Some(AuditOptions { log: audit, audits: Arc::new(audits) });
    })
    .await;
    let client = server.client().await;
    client.put(put(vec![item("k", "v")])).await.unwrap();
    client.scan(scan(), Resume::Never).collect::<Vec<_>>().await;
    assert_eq!(asked.load(Ordering::SeqCst), 2, "one question per call");
    client.describe(describe()).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2, "Describe names no data");
    // Its namespace is invalid, and no data was touched.
    client.get(GetRequest { namespace: "N!".to_owned(), ..get() }).await.unwrap_err();
    assert_eq!(log.calls(), Vec::<Value>::new());
}

#[tokio::test]
async fn calls_without_a_token_or_a_permission_are_audited() {
    let log = Log::new();
    let token = |name: &str, namespaces: Option<Vec<NamespaceRule>>| Token {
        name: name.to_owned(),
        digest: Digest::of(name.as_bytes()),
        permissions: vec![Permission::Read],
        namespaces,
    };
    let only = NamespaceRule::Exactly("o".to_owned());
    let tokens = vec![token("reader", None), token("other", Some(vec![only]))];
    let backend = Steered::new(Mode::Works);
    let server = log.server_with(&log.path(), backend.clone(), tokens.into()).await;
    server.client().await.get(get()).await.unwrap_err();
    let reader = server.client_with_token("reader").await;
    reader.put(put(vec![item("k", "v")])).await.unwrap_err();
    server.client_with_token("other").await.get(get()).await.unwrap_err();
    reader.get(GetRequest { namespace: "o".to_owned(), ..get() }).await.unwrap();
    server.client().await.describe(describe()).await.unwrap_err();
    let calls = log.calls();
    let denied: Vec<_> = calls
        .iter()
        .map(|call| {
            assert_eq!(call["decision"], "denied");
            let (method, status) = short(call);
            (method, status, call["caller"].as_str(), call["namespace"].as_str(), call["id"].is_string())
        })
        .collect();
    let expected = [
        ("Get", "UNAUTHENTICATED", None, None, false),
        ("Put", "PERMISSION_DENIED", Some("reader"), None, false),
        // The namespace and the id are known, since the request was read.
        ("Get", "PERMISSION_DENIED", Some("other"), Some("n"), true),
    ];
    assert_eq!(denied, expected);
    assert_eq!(backend.calls(), 1);
}

#[tokio::test]
async fn cancelled_calls_have_their_line() {
    let log = Log::new();
    let backend = Steered::new(Mode::Hangs);
    let server = log.server(backend.clone()).await;
    let client = server.client().await;
    let mut messages = client.scan(scan(), Resume::Never);
    let reading = tokio::spawn(async move { messages.next().await.map(|message| message.is_ok()) });
    until("the scan reached the backend", async || backend.inside() == 1).await;
    assert_eq!(log.calls().len(), 0, "the scan has not ended");
    reading.abort();
    until("the scan has its line", async || log.calls().len() == 1).await;
    let write = tokio::spawn(async move { client.put(put(vec![item("c", "3")])).await });
    until("the Put reached the backend", async || backend.inside() == 1).await;
    write.abort();
    until("the Put has its line", async || log.calls().len() == 2).await;
    let calls = log.calls();
    assert_eq!(calls.iter().map(short).collect::<Vec<_>>(), [("Scan", "CANCELLED"), ("Put", "CANCELLED")]);
    assert_eq!((&calls[0]["messages"], &calls[1]["keys"]), (&json!(0), &json!([log.hash("c")])));
    log.is_verified();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn on_a_full_disk_nothing_is_executed_that_would_have_to_be_audited() {
    let log = Log::new();
    let backend = Steered::new(Mode::Works);
    let server = log.server_with(Path::new("/dev/full"), backend.clone(), AuthState::default()).await;
    let client = server.client().await;
    let mut messages = client.scan(scan(), Resume::Never);
    for refused in [
        refusal(client.put(put(vec![item("k", "v")])).await),
        refusal(client.get(get()).await),
        refusal(messages.next().await.unwrap()),
    ] {
        assert_eq!((refused.code, &*refused.reason), (Code::Unavailable, "BACKEND_UNAVAILABLE"));
        assert_eq!(refused.retry_after, Some(Duration::from_millis(100)));
    }
    assert_eq!(backend.calls(), 0);
    client.get(GetRequest { namespace: "other".to_owned(), ..get() }).await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn calls_continue_on_a_full_disk_if_configured_so() {
    let mut log = Log::new();
    log.settings.on_failure = AuditFailure::Continue;
    let server =
        log.server_with(Path::new("/dev/full"), Steered::new(Mode::Works), AuthState::default()).await;
    let client = server.client().await;
    client.put(put(vec![item("k", "v")])).await.unwrap();
    assert_eq!(client.scan(scan(), Resume::Never).collect::<Vec<_>>().await.len(), 1);
}

/// The log is deleted after the call was admitted.
#[cfg(unix)]
#[rstest]
#[tokio::test]
async fn an_answer_whose_line_cannot_be_written_is_not_sent(#[values(false, true)] scans: bool) {
    let log = Log::new();
    let backend = Steered::new(Mode::Hangs);
    let server = log.server(backend.clone()).await;
    let client = server.client().await;
    let mut raw = KeyValueServiceClient::new(server.channel().await);
    let call = tokio::spawn(async move {
        let namespace = "n".to_owned();
        if scans {
            let request = pb::ScanRequest { namespace, ..pb::ScanRequest::default() };
            let mut messages = raw.scan(request).await?.into_inner();
            // The status follows the messages.
            while messages.message().await?.is_some() {}
            return Ok(());
        }
        let items = vec![pb::Item { key: "k".into(), ..pb::Item::default() }];
        let request = pb::PutRequest { namespace, id: "i".to_owned(), items, ..pb::PutRequest::default() };
        raw.put(request).await.map(|_| ())
    });
    until("the call is executed", async || backend.inside() == 1).await;
    fs::remove_file(log.path()).unwrap();
    backend.set(Mode::Works);
    assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Unavailable);
    // A new file is started without anyone's help, and names the line that was lost.
    until("calls are served again", async || client.get(get()).await.is_ok()).await;
    let lines = log.lines();
    assert_eq!((&lines[1]["event"], &lines[1]["lost"]), (&json!("resumed"), &json!(1)));
    log.is_verified();
}
