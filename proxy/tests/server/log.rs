//! The log: one line per call, and never an id, a key or a value (ERR-2).

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;
use std::time::Duration;

use futures::StreamExt;
use prism_contract::keyvalue::request::{
    DeleteRequest, GetRequest, KeyPredicate, PreconditionInput, PutRequest, ScanRequest,
};
use prism_proto::keyvalue::v1 as pb;
use prism_proto::keyvalue::v1::key_value_service_client::KeyValueServiceClient;
use prism_proxy::config::{Digest, Permission, Token};
use prism_proxy::server::LoggedCalls;
use prism_wire::keyvalue::Resume;
use serde_json::Value;
use tonic::Request;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{CAUSE, Mode, Server, Steered, describe, item, until};

/// The log of this thread; all tasks of a test run on its thread. One subscriber serves all threads, since tracing caches
/// per call site whether an event is enabled, and a thread-local subscriber may miss events first hit by another thread.
pub(crate) struct Log;

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(crate) fn capture() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let lines = tracing_subscriber::fmt().json().flatten_event(true);
            lines.with_max_level(tracing::Level::TRACE).with_writer(|| Self).init();
        });
        LINES.with_borrow_mut(Vec::clear);
    }

    pub(crate) fn text() -> String {
        String::from_utf8(LINES.with_borrow(Vec::clone)).unwrap()
    }

    /// The lines of calls to the KeyValue service, once there are `count`.
    pub(crate) async fn calls(count: usize) -> Vec<Value> {
        let calls = || -> Vec<Value> {
            let lines = Self::text();
            let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            lines.filter(|line| line["message"] == "call").collect()
        };
        until("every call has its line", async || calls().len() >= count).await;
        calls()
    }
}

const ID: &str = "the-secret-id";
const KEY: &str = "the-secret-key";
const VALUE: &str = "the-secret-value";

#[tokio::test]
async fn no_id_key_value_token_or_page_token_is_ever_logged() {
    Log::capture();
    let backend = Steered::new(Mode::Works);
    let server = Server::start_with(backend.clone(), |options| {
        let digest = Digest::of(b"the-secret-token");
        let permissions = vec![Permission::Read, Permission::Write];
        options.auth = vec![Token { name: "app".to_owned(), digest, permissions, namespaces: None }].into();
    })
    .await;
    let client = server.client_with_token("the-secret-token").await;
    let put = |key: &'static str| PutRequest {
        namespace: "orders".to_owned(),
        id: ID.to_owned(),
        items: vec![item(key, VALUE)],
        ..PutRequest::default()
    };
    let get = GetRequest { namespace: "orders".to_owned(), id: ID.to_owned(), ..GetRequest::default() };
    client.put(put(KEY)).await.unwrap();
    client.get(get.clone()).await.unwrap();
    let preconditions = vec![PreconditionInput { key: KEY.into(), version: 999 }];
    client.put(PutRequest { preconditions, ..put(KEY) }).await.unwrap_err();
    let twice = PutRequest { items: vec![item(KEY, VALUE), item(KEY, VALUE)], ..put(KEY) };
    client.put(twice).await.unwrap_err();
    client.get(GetRequest { page_token: KEY.into(), ..get.clone() }).await.unwrap_err();
    let range = KeyPredicate::MatchRange { start: KEY.into(), end: "a".into() };
    client.get(GetRequest { predicate: Some(range), ..get.clone() }).await.unwrap_err();
    client.get(GetRequest { namespace: KEY.to_owned() + "!", ..get.clone() }).await.unwrap_err();
    let scan = ScanRequest { namespace: "orders".to_owned(), id: ID.to_owned(), ..ScanRequest::default() };
    client.scan(scan, Resume::Never).collect::<Vec<_>>().await;
    let keys = Some(KeyPredicate::MatchKeys(vec![KEY.into()]));
    let delete = DeleteRequest {
        namespace: "orders".to_owned(),
        id: ID.to_owned(),
        predicate: keys,
        ..DeleteRequest::default()
    };
    client.delete(delete).await.unwrap();
    server.client_with_token("the-secret-guess").await.get(get.clone()).await.unwrap_err();
    for mode in [Mode::Panics, Mode::Unavailable] {
        backend.set(mode);
        client.put(put(KEY)).await.unwrap_err();
    }
    Log::calls(12).await;
    let text = Log::text();
    assert!(!text.contains("the-secret"), "{text}");
    assert!(!text.contains("dGhlLXNlY3JldC"), "in base64: {text}");
}

#[tokio::test]
async fn a_line_has_method_status_namespace_peer_and_duration() {
    Log::capture();
    let backend = Steered::new(Mode::Works);
    let server = Server::start(backend.clone()).await;
    let mut client = KeyValueServiceClient::new(server.channel().await);
    let get = |id: &str| {
        let message = pb::GetRequest {
            namespace: "orders".to_owned(),
            id: "i".to_owned(),
            ..pb::GetRequest::default()
        };
        let mut request = Request::new(message);
        request.metadata_mut().insert("x-request-id", id.parse().unwrap());
        request
    };
    let answer = client.get(get("my-id.1")).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "my-id.1");
    backend.set(Mode::Unavailable);
    let refused = client.get(get("not sane; drop table")).await.unwrap_err();
    let given = refused.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    assert!(given.len() == 16 && given.bytes().all(|c| c.is_ascii_hexdigit()), "{given}");

    let lines = Log::calls(2).await;
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["level"], "INFO");
    assert_eq!(lines[0]["request_id"], "my-id.1");
    assert_eq!(lines[0]["method"], "prism.keyvalue.v1.KeyValueService/Get");
    assert_eq!(lines[0]["status"], "OK");
    assert_eq!(lines[0]["namespace"], "orders");
    assert!(lines[0]["duration_ms"].as_f64().unwrap() > 0.0);
    assert!(lines[0]["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(lines[1]["level"], "WARN");
    assert_eq!(lines[1]["request_id"], given);
    assert_eq!(lines[1]["status"], "UNAVAILABLE");
    assert_eq!(lines[1]["reason"], "BACKEND_UNAVAILABLE");
    assert_eq!(lines[1]["cause"], CAUSE);
}

#[tokio::test]
async fn a_call_cancelled_by_its_client_is_logged_as_cancelled() {
    Log::capture();
    let backend = Steered::new(Mode::Hangs);
    let server = Server::start(backend.clone()).await;
    let client = server.client().await;
    let call = tokio::spawn(async move { client.get(crate::support::get()).await });
    until("the call reached the backend", async || backend.inside() == 1).await;
    call.abort();
    assert_eq!(Log::calls(1).await[0]["status"], "CANCELLED");
}

#[tokio::test]
async fn a_completed_stream_is_logged_once_as_ok() {
    Log::capture();
    let server = Server::start(Steered::new(Mode::Works)).await;
    let client = server.client().await;
    client.scan(crate::support::scan(), Resume::Never).collect::<Vec<_>>().await;
    client.describe(describe()).await.unwrap();
    let lines = Log::calls(2).await;
    let ends: Vec<_> = lines
        .iter()
        .map(|line| (line["method"].as_str().unwrap(), line["status"].as_str().unwrap()))
        .collect();
    assert_eq!(
        ends,
        [
            ("prism.keyvalue.v1.KeyValueService/Scan", "OK"),
            ("prism.keyvalue.v1.KeyValueService/Describe", "OK")
        ]
    );
}

#[tokio::test]
async fn health_checks_and_watches_are_logged_at_debug() {
    Log::capture();
    let server = Server::start(Steered::new(Mode::Works)).await;
    let mut health = HealthClient::new(server.channel().await);
    let request = || HealthCheckRequest { service: String::new() };
    health.check(request()).await.unwrap();
    drop(health.watch(request()).await.unwrap());
    let lines = Log::calls(2).await;
    let ends: Vec<_> = lines.iter().map(|line| (&line["status"], &line["level"])).collect();
    assert_eq!(ends, [(&"OK".into(), &"DEBUG".into()), (&"CANCELLED".into(), &"DEBUG".into())]);
}

#[tokio::test]
async fn one_of_so_many_successful_calls_has_a_line_and_each_failed_one_has() {
    Log::capture();
    let server =
        Server::start_with(Steered::new(Mode::Works), |options| options.logged_calls.sample = 5).await;
    let client = server.client().await;
    for _ in 0..10 {
        client.describe(describe()).await.unwrap();
    }
    let invalid = GetRequest { namespace: "orders".to_owned(), ..GetRequest::default() };
    for _ in 0..3 {
        client.get(invalid.clone()).await.unwrap_err();
    }
    // The lines of the last calls are written last.
    let lines = Log::calls(5).await;
    let count = |status: &str| lines.iter().filter(|line| line["status"] == status).count();
    assert_eq!((lines.len(), count("OK"), count("INVALID_ARGUMENT")), (5, 2, 3), "{lines:?}");
    assert!(lines.iter().all(|line| (line["status"] == "OK") == (line["sample"] == 5)), "{lines:?}");
}

#[tokio::test]
async fn a_slow_call_has_a_warning_that_says_where_the_time_went_and_a_stream_is_never_slow() {
    Log::capture();
    let server = Server::start_with(Steered::new(Mode::Works), |options| {
        options.logged_calls = LoggedCalls { sample: 1_000, slow: Duration::ZERO };
    })
    .await;
    let client = server.client().await;
    let scan = ScanRequest { namespace: "orders".to_owned(), ..ScanRequest::default() };
    client.scan(scan, Resume::Never).collect::<Vec<_>>().await;
    let get = GetRequest { namespace: "orders".to_owned(), id: "i".to_owned(), ..GetRequest::default() };
    client.get(get.clone()).await.unwrap();
    client.get(get).await.unwrap();
    let lines = Log::calls(3).await;
    let kinds: Vec<_> = lines.iter().map(|line| (&line["level"], &line["slow"], &line["sample"])).collect();
    let (warning, info) =
        (("WARN".into(), true.into(), Value::Null), ("INFO".into(), Value::Null, 1_000.into()));
    let slow = (&warning.0, &warning.1, &warning.2);
    assert_eq!(kinds, [(&info.0, &info.1, &info.2), slow, slow], "the scan is the first of the sample");
    for line in &lines[1..] {
        let [read, execute, send, all] = ["read_ms", "execute_ms", "send_ms", "duration_ms"]
            .map(|field| line[field].as_f64().unwrap_or_else(|| panic!("{field}: {line}")));
        assert!(execute > 0.0 && read > 0.0 && read + execute + send <= all + 0.01, "{line}");
    }
}
