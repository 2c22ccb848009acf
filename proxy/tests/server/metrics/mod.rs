//! The metrics: a strict page, every metric moves, and their number has a bound that clients cannot exceed.

mod documented;
pub(crate) mod page;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Uri;
use prism_backends::Sqlite;
use prism_backends::observe::Observe;
use prism_backends::sqlite::Options as SqliteOptions;
use prism_contract::keyvalue::request::{GetRequest, PutRequest, Ttl};
use prism_proxy::catalog::{Catalog, Definitions, Snapshot};
use prism_proxy::config::{Digest, NamespaceRule, Namespaces, Otlp, Permission, Rate, Rule, Token};
use prism_proxy::metrics::Metrics;
use prism_proxy::server::{Options, Services, Store};
use prism_proxy::telemetry::Telemetry;
use sqlx::{ConnectOptions, Executor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use self::page::Page;
use crate::raw::Raw;
use crate::support::{Mode, Server, Steered, get, item, put, refusal, until};

const PUT: &str = "prism.keyvalue.v1.KeyValueService/Put";
const GET: &str = "prism.keyvalue.v1.KeyValueService/Get";

fn page(metrics: &Metrics) -> Page {
    Page::read(&metrics.page())
}

/// A server with metrics.
async fn start(
    services: impl Into<Services> + Send + 'static,
    change: impl FnOnce(&mut Options),
) -> (Server, Metrics) {
    let metrics = Metrics::new(2);
    let for_server = metrics.clone();
    let server = Server::start_with(services, move |options| {
        options.metrics = for_server;
        change(options);
    })
    .await;
    // The state of the server is on the page once it runs.
    until("the server is on the page", async || page(&metrics).get("prism_ready", &[]).is_some()).await;
    (server, metrics)
}

/// A SQLite store with both abstractions, swept at this interval.
async fn sqlite(folder: &Path, sweep_interval: Duration) -> Services {
    sqlite_with(SqliteOptions::new(folder.join("prism.db")), sweep_interval).await
}

async fn sqlite_with(options: SqliteOptions, sweep_interval: Duration) -> Services {
    let engine = Arc::new(Sqlite::open(options).await.unwrap());
    let store = Store {
        name: "default".to_owned(),
        required: true,
        sweep_interval: Some(sweep_interval),
        keyvalue: Arc::clone(&engine) as _,
        timeseries: Some(Arc::clone(&engine) as _),
        observed: Arc::new(OnceLock::from(engine as Arc<dyn Observe>)),
    };
    let definitions = Definitions::of(&Namespaces::default(), &["default".to_owned()]);
    let snapshot = Snapshot::new(definitions, vec![Arc::clone(&store.keyvalue)])
        .with_timeseries([store.timeseries.clone()]);
    Services { stores: vec![store], catalog: Catalog::new(snapshot), definitions: None }
}

/// The file of that store, locked against writes by another connection until it ends its transaction.
async fn locked(folder: &Path) -> sqlx::SqliteConnection {
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("prism.db"));
    let mut other = file.connect().await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    other
}

fn put_into(namespace: &str) -> PutRequest {
    PutRequest { namespace: namespace.to_owned(), ..put(vec![item("k", "v")]) }
}

#[tokio::test]
async fn calls_are_counted_by_method_status_and_namespace() {
    let (server, metrics) = start(Steered::new(Mode::Works), |_| {}).await;
    let client = server.client().await;
    for _ in 0..3 {
        client.put(put_into("orders")).await.unwrap();
    }
    client.get(GetRequest { namespace: "orders".to_owned(), ..get() }).await.unwrap();
    let invalid = GetRequest { namespace: String::new(), ..get() };
    assert_eq!(refusal(client.get(invalid).await).code, Code::InvalidArgument);
    // The status is sent before the call is counted.
    until("the calls have ended", async || {
        page(&metrics).all("prism_calls_in_flight").iter().all(|(_, calls)| *calls == 0.0)
    })
    .await;
    let page = page(&metrics);
    let count = |method, status| {
        page.get(
            "grpc_server_call_duration_seconds_count",
            &[("grpc_method", method), ("grpc_status", status)],
        )
    };
    assert_eq!(
        [count(PUT, "OK"), count(GET, "OK"), count(GET, "INVALID_ARGUMENT")],
        [Some(3.0), Some(1.0), Some(1.0)]
    );
    assert_eq!(page.get("grpc_server_call_started_total", &[("grpc_method", GET)]), Some(2.0));
    let of_namespace = |status| {
        let labels = [("namespace", "orders"), ("grpc_method", PUT), ("grpc_status", status)];
        page.get("prism_namespace_calls_total", &labels)
    };
    assert_eq!([of_namespace("OK"), of_namespace("UNAVAILABLE")], [Some(3.0), None]);
    let times = page.get("prism_namespace_call_duration_seconds_count", &[("namespace", "orders")]);
    assert_eq!(times, Some(4.0), "a call without a valid namespace is of none");
    let sum = [("grpc_method", PUT), ("grpc_status", "OK")];
    let sum = page.get("grpc_server_call_duration_seconds_sum", &sum).unwrap();
    assert!(sum > 0.0 && sum < 60.0, "3 Puts took {sum} s");
}

#[tokio::test]
async fn a_call_is_in_flight_until_it_ends_however_it_ends() {
    let backend = Steered::new(Mode::Hangs);
    let (server, metrics) = start(backend.clone(), |_| {}).await;
    let client = server.client().await;
    let call = tokio::spawn(async move { client.get(get()).await });
    until("the call reached the backend", async || backend.inside() == 1).await;
    let page_of = page(&metrics);
    assert_eq!(page_of.get("prism_calls_in_flight", &[("grpc_method", GET)]), Some(1.0));
    assert_eq!(
        (page_of.get("prism_slots_taken", &[]), page_of.get("prism_streams", &[])),
        (Some(1.0), Some(1.0))
    );
    assert_eq!(page_of.get("prism_connections", &[("state", "open")]), Some(1.0));
    call.abort();
    until("it has ended", async || {
        page(&metrics).get("prism_calls_in_flight", &[("grpc_method", GET)]) == Some(0.0)
    })
    .await;
    let cancelled = [("grpc_method", GET), ("grpc_status", "CANCELLED")];
    let page = page(&metrics);
    assert_eq!(page.get("grpc_server_call_duration_seconds_count", &cancelled), Some(1.0));
    assert_eq!(page.get("prism_slots_taken", &[]), Some(0.0));
}

#[tokio::test]
async fn an_outage_shows_in_the_health_and_in_the_readiness() {
    let backend = Steered::new(Mode::Works);
    let (_server, metrics) =
        start(backend.clone(), |options| options.health_interval = Duration::from_millis(20)).await;
    let health = || {
        let page = page(&metrics);
        let backend = [("backend", "default")];
        let changes = page.get("prism_backend_health_changes_total", &backend);
        (page.get("prism_backend_serving", &backend), changes, page.get("prism_ready", &[]))
    };
    assert_eq!(health(), (Some(1.0), Some(0.0), Some(1.0)));
    assert_eq!(metrics.readiness(), Ok(()));
    backend.set(Mode::Unavailable);
    until("it is not serving", async || health() == (Some(0.0), Some(1.0), Some(0.0))).await;
    assert_eq!(metrics.readiness(), Err("not serving: default".to_owned()));
    backend.set(Mode::Works);
    until("it is serving again", async || health() == (Some(1.0), Some(2.0), Some(1.0))).await;
}

#[tokio::test]
async fn a_server_that_drains_is_not_ready() {
    let backend = Steered::new(Mode::Hangs);
    let (server, metrics) = start(backend.clone(), |_| {}).await;
    let client = server.client().await;
    let call = tokio::spawn(async move { client.get(get()).await });
    until("the call reached the backend", async || backend.inside() == 1).await;
    server.shutdown.drain();
    assert_eq!(metrics.readiness(), Err("the server is draining".to_owned()));
    assert_eq!(page(&metrics).get("prism_ready", &[]), Some(0.0));
    backend.set(Mode::Works);
    call.await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_and_their_bytes_are_counted() {
    let (server, metrics) = start(Steered::new(Mode::Works), |_| {}).await;
    let bytes = |name| page(&metrics).get(name, &[]).unwrap();
    let before = [bytes("prism_received_bytes_total"), bytes("prism_sent_bytes_total")];
    let client = server.client().await;
    client.put(put(vec![item("k", vec![7; 100_000])])).await.unwrap();
    client.get(get()).await.unwrap();
    let after = [bytes("prism_received_bytes_total"), bytes("prism_sent_bytes_total")];
    for (before, after) in before.into_iter().zip(after) {
        assert!((100_000.0..110_000.0).contains(&(after - before)), "{before} to {after}");
    }
    assert_eq!(page(&metrics).get("prism_connections_accepted_total", &[]), Some(1.0));
}

#[tokio::test]
async fn failed_handshakes_are_counted_by_their_reason() {
    let (server, metrics) = start(Steered::new(Mode::Works), |_| {}).await;
    let failed =
        |metrics: &Metrics, reason| page(metrics).get("prism_handshakes_failed_total", &[("reason", reason)]);
    let mut other = TcpStream::connect(server.address).await.unwrap();
    other.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    other.read_to_end(&mut answer).await.unwrap();
    drop(other);
    until("another protocol is counted", async || failed(&metrics, "not_http2") == Some(1.0)).await;
    drop(TcpStream::connect(server.address).await.unwrap());
    until("a closed connection is counted", async || failed(&metrics, "closed") == Some(1.0)).await;
    let short = |options: &mut Options| options.limits.handshake_timeout = Duration::from_millis(50);
    let (server, metrics) = start(Steered::new(Mode::Works), short).await;
    let _silent = TcpStream::connect(server.address).await.unwrap();
    until("a silent client is counted", async || failed(&metrics, "timed_out") == Some(1.0)).await;
}

#[tokio::test]
async fn calls_that_are_shed_are_counted_by_the_limit_that_refused_them() {
    let rate = Rate { reads: Some(0.001), writes: None, burst: Some(1) };
    let rule = Rule { rate, ..Rule::new(NamespaceRule::Exactly("slow".to_owned())) };
    let backend = Steered::new(Mode::Works);
    let services = crate::support::with_rules(
        backend.clone(),
        Arc::new(prism_contract::timeseries::Memory::default()),
        vec![rule],
    );
    let (server, metrics) = start(services, |options| options.limits.max_in_flight = 1).await;
    let shed = |reason| page(&metrics).get("prism_calls_shed_total", &[("reason", reason)]);
    let client = server.client().await;
    let slow = GetRequest { namespace: "slow".to_owned(), ..get() };
    client.get(slow.clone()).await.unwrap();
    assert_eq!(refusal(client.get(slow).await).code, Code::ResourceExhausted);
    assert_eq!((shed("rate"), shed("slots")), (Some(1.0), Some(0.0)));
    backend.set(Mode::Hangs);
    let hanging = {
        let client = client.clone();
        tokio::spawn(async move { client.get(get()).await })
    };
    until("the call reached the backend", async || backend.inside() == 1).await;
    assert_eq!(refusal(client.get(get()).await).code, Code::ResourceExhausted);
    assert_eq!((shed("rate"), shed("slots")), (Some(1.0), Some(1.0)));
    backend.set(Mode::Works);
    hanging.await.unwrap().unwrap();
}

/// A store whose file another process has locked: writes wait, and reads are served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_load_of_a_store_shows_what_waits_and_what_it_has_done() {
    let folder = tempfile::tempdir().unwrap();
    let never = Duration::from_hours(1);
    let (server, metrics) = start(sqlite(folder.path(), never).await, |_| {}).await;
    let client = server.client().await;
    client.put(put_into("first")).await.unwrap();
    client.get(GetRequest { namespace: "first".to_owned(), ..get() }).await.unwrap();
    let mut other = locked(folder.path()).await;
    let puts: Vec<_> = [("a", 1), ("b", 3), ("c", 2)]
        .into_iter()
        .flat_map(|(namespace, count)| std::iter::repeat_n(namespace, count))
        .map(|namespace| {
            let client = client.clone();
            tokio::spawn(async move { client.put(put_into(namespace)).await })
        })
        .collect();
    let write = [("backend", "default"), ("queue", "write")];
    // The first are in the transaction that waits for the lock.
    let pool = [("backend", "default"), ("pool", "write")];
    until("Puts wait in the queue for others that wait for the lock", async || {
        let page = page(&metrics);
        page.get("prism_queue_waiting", &write) > Some(0.0)
            && page.get("prism_pool_connections_taken", &pool) == Some(1.0)
    })
    .await;
    let waiting = page(&metrics);
    assert_eq!(waiting.get("prism_pool_connections", &pool), Some(1.0));
    let namespaces = waiting.all("prism_queue_namespace_waiting");
    assert!((1..=2).contains(&namespaces.len()), "{namespaces:?}");
    assert_eq!(waiting.all("prism_queue_namespace_oldest_seconds").len(), namespaces.len());
    other.execute("ROLLBACK").await.unwrap();
    for put in puts {
        put.await.unwrap().unwrap();
    }
    let done = page(&metrics);
    assert_eq!(done.get("prism_queue_waiting", &write), Some(0.0));
    assert_eq!(done.all("prism_queue_namespace_waiting"), []);
    assert_eq!(done.get("prism_batch_size_sum", &write), Some(7.0));
    assert_eq!(
        done.get("prism_batch_duration_seconds_count", &write),
        done.get("prism_batch_size_count", &write),
    );
    let backend = [("backend", "default")];
    for metric in ["prism_wal_bytes", "prism_database_file_bytes", "prism_disk_free_bytes"] {
        assert!(done.get(metric, &backend) >= Some(4_096.0), "{metric}");
    }
}

/// A store whose file another process has locked, with a short queue and a short wait for the lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_store_sheds_and_sweeps_that_fail_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = SqliteOptions::new(folder.path().join("prism.db"));
    (options.queue_length, options.busy_timeout) = (1, Duration::from_millis(200));
    let (server, metrics) = start(sqlite_with(options, Duration::from_millis(20)).await, |_| {}).await;
    let client = server.client().await;
    let _other = locked(folder.path()).await;
    until("a sweep has failed", async || {
        page(&metrics).get("prism_sweeps_failed_total", &[("backend", "default")]) > Some(0.0)
    })
    .await;
    let puts = (0..8).map(|_| client.put(put_into("a")));
    let puts = futures::future::join_all(puts).await;
    let shed = puts.into_iter().filter(|put| {
        let refused = put.as_ref().map_err(|error| error.status().unwrap().code);
        matches!(refused, Err(Code::ResourceExhausted))
    });
    let (shed, page) = (shed.count(), page(&metrics));
    assert!(shed > 0);
    #[expect(clippy::cast_precision_loss, reason = "at most eight")]
    let shed = Some(shed as f64);
    assert_eq!(page.get("prism_queue_shed_total", &[("backend", "default"), ("queue", "write")]), shed);
    assert_eq!(page.get("prism_calls_shed_total", &[("reason", "queue")]), shed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sweeps_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (server, metrics) = start(sqlite(folder.path(), Duration::from_millis(20)).await, |_| {}).await;
    let client = server.client().await;
    let short = PutRequest { ttl: Some(Ttl { seconds: 1, nanos: 0 }), ..put(vec![item("k", "v")]) };
    client.put(short).await.unwrap();
    let swept =
        |kind| page(&metrics).get("prism_swept_rows_total", &[("backend", "default"), ("kind", kind)]);
    assert_eq!(swept("expired"), Some(0.0));
    server.clock.advance(Duration::from_secs(2));
    until("it is swept", async || swept("expired") == Some(1.0)).await;
    let backend = [("backend", "default")];
    until("a sweep is complete", async || {
        page(&metrics).get("prism_sweep_duration_seconds_count", &backend) > Some(0.0)
    })
    .await;
    let swept = page(&metrics);
    assert!(swept.get("prism_sweep_completed_timestamp_seconds", &backend) > Some(1.7e9));
    assert_eq!(swept.get("prism_sweeps_failed_total", &backend), Some(0.0));
    // This page has all families but those of waiting requests.
    metrics.set_dropped_log_lines(Arc::default());
    let otlp = Otlp { endpoint: Some(Uri::from_static("http://127.0.0.1:1")), ..Otlp::default() };
    let _exporting = Telemetry::new(&otlp).unwrap().unwrap().start(&metrics);
    documented::check(
        &page(&metrics),
        &["prism_queue_namespace_waiting", "prism_queue_namespace_oldest_seconds"],
    );
}

#[tokio::test]
async fn strangers_choose_no_series() {
    let token = Token {
        name: "app".to_owned(),
        digest: Digest::of(b"secret"),
        permissions: vec![Permission::Read],
        namespaces: Some(vec![NamespaceRule::Exactly("mine".to_owned())]),
    };
    let (server, metrics) =
        start(Steered::new(Mode::Works), |options| options.auth = vec![token].into()).await;
    let stranger = server.client().await;
    let client = server.client_with_token("secret").await;
    let sizes = |page: &Page| (page.families.len(), page.len());
    client.get(GetRequest { namespace: "mine".to_owned(), ..get() }).await.unwrap();
    refusal(stranger.get(get()).await);
    refusal(client.get(GetRequest { namespace: "other-1".to_owned(), ..get() }).await);
    let before = sizes(&page(&metrics));
    let mut raw = Raw::connect(server.address, 1 << 16).await;
    for number in 0..200 {
        let namespace = format!("other-{number}");
        refusal(stranger.get(GetRequest { namespace: namespace.clone(), ..get() }).await);
        refusal(client.get(GetRequest { namespace, ..get() }).await);
        let refused = raw.begin(&format!("Method{number}")).await.answer.await.unwrap();
        assert_eq!(refused.headers()["grpc-status"], "12");
    }
    let after = page(&metrics);
    let (families, series) = sizes(&after);
    // Two statuses of the methods that stand for all others.
    assert!(families == before.0 && series <= before.1 + 60, "{before:?} to {:?}", (families, series));
    let named: std::collections::BTreeSet<_> =
        after.all("prism_namespace_calls_total").into_iter().map(|(labels, _)| labels[2].1.clone()).collect();
    assert_eq!(named, ["mine", "other"].map(str::to_owned).into());
}
