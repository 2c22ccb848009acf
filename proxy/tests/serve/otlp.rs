//! Traces and metrics over OTLP: a gateway, and a collector in this process.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::future::join_all;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, Status as SpanStatus, status};
use prism_proto::keyvalue::v1 as pb;
use prism_proto::keyvalue::v1::key_value_service_client::KeyValueServiceClient;
use prism_testkit::{Backend, LazySchema, skips};
use prost::Message;
use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

use super::collector::{Collector, Mode};
use crate::{Serving, prism};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";
/// What no attribute may have: the id, a key and a value.
const SECRETS: [&str; 3] = ["secret-id", "secret-key", "secret-value"];

/// A gateway on SQLite that exports to `endpoint`.
fn serving(folder: &TempDir, endpoint: &str, settings: &[(&str, &str)]) -> Serving {
    let mut command = prism(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--database", "prism.db"]);
    command.env("PRISM_OTLP_ENDPOINT", endpoint).env("PRISM_ADMIN_LISTEN", "127.0.0.1:0");
    Serving::start(command.envs(settings.iter().copied()))
}

async fn client(serving: &Serving) -> KeyValueServiceClient<Channel> {
    let gateway = Endpoint::new(format!("http://{}", serving.address)).unwrap();
    KeyValueServiceClient::new(gateway.connect().await.unwrap())
}

/// A request, with this `traceparent`.
fn with_parent<T>(message: T, parent: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(parent) = parent {
        request.metadata_mut().insert("traceparent", parent.parse().unwrap());
        request.metadata_mut().insert("tracestate", "vendor=1".parse().unwrap());
    }
    request
}

fn put() -> pb::PutRequest {
    let item = pb::Item { key: SECRETS[1].into(), value: SECRETS[2].into(), ..pb::Item::default() };
    pb::PutRequest {
        namespace: "orders".to_owned(),
        id: SECRETS[0].to_owned(),
        items: vec![item],
        ..Default::default()
    }
}

fn get() -> pb::GetRequest {
    let all = pb::key_predicate::Predicate::MatchAll(pb::MatchAll {});
    pb::GetRequest {
        namespace: "orders".to_owned(),
        id: SECRETS[0].to_owned(),
        predicate: Some(pb::KeyPredicate { predicate: Some(all) }),
        ..Default::default()
    }
}

/// Ends a gateway; returns its log, whose lines of calls come first.
fn end(mut serving: Serving) -> Vec<Value> {
    serving.signal("-TERM");
    let log = serving.rest_of_log();
    assert_eq!(serving.wait().code(), Some(0), "{log}");
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn calls(log: &[Value]) -> Vec<&Value> {
    log.iter().filter(|line| line["message"] == "call").collect()
}

fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn attribute<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|of| of.key == name)?.value.as_ref()?.value.as_ref()
}

fn text<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    match attribute(attributes, name)? {
        Attribute::StringValue(text) => Some(text),
        other => panic!("{name} is {other:?}"),
    }
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn children<'a>(spans: &'a [Span], of: &Span) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.parent_span_id == of.span_id).collect()
}

#[rstest]
fn a_traced_call_has_spans_for_its_wait_its_batch_and_its_statements(
    #[values("grpc", "http")] protocol: &str,
) {
    let (runtime, folder) = (Runtime::new().unwrap(), TempDir::new().unwrap());
    let collector = Collector::new(Mode::Takes);
    let endpoint = runtime.block_on(collector.serve(protocol));
    std::fs::write(folder.path().join("headers"), "x-scope: mine\n").unwrap();
    let settings = [
        ("PRISM_OTLP_PROTOCOL", protocol),
        ("PRISM_OTLP_SAMPLE", "0"),
        ("PRISM_OTLP_HEADERS_FILE", "headers"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
    ];
    let serving = serving(&folder, &endpoint, &settings);
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let responses = runtime.block_on(async {
        let mut client = client(&serving).await;
        let put = client.put(with_parent(put(), Some(&parent))).await.unwrap();
        let get = client.get(with_parent(get(), Some(&parent))).await.unwrap();
        let refused = client.get(with_parent(pb::GetRequest::default(), Some(&parent))).await.unwrap_err();
        let scan = pb::ScanRequest { namespace: "orders".to_owned(), ..pb::ScanRequest::default() };
        let mut scan = client.scan(with_parent(scan, Some(&parent))).await.unwrap().into_inner();
        while scan.message().await.unwrap().is_some() {}
        [put.metadata().clone(), get.metadata().clone(), refused.metadata().clone()]
    });
    let log = end(serving);
    let spans = collector.all_spans();

    let calls_of = ["prism.keyvalue.v1.KeyValueService/Put", "prism.keyvalue.v1.KeyValueService/Get"];
    let [put] = named(&spans, calls_of[0])[..] else { panic!("{spans:#?}") };
    let [get, refused] = named(&spans, calls_of[1])[..] else { panic!("{spans:#?}") };
    for (call, code) in [(put, "OK"), (get, "OK"), (refused, "INVALID_ARGUMENT")] {
        assert_eq!((hex(&call.trace_id).as_str(), hex(&call.parent_span_id).as_str()), (TRACE, SPAN));
        assert_eq!((call.kind(), call.trace_state.as_str()), (SpanKind::Server, "vendor=1"));
        assert_eq!(text(&call.attributes, "rpc.system.name"), Some("grpc"));
        assert_eq!(text(&call.attributes, "rpc.method"), Some(call.name.as_str()));
        assert_eq!(text(&call.attributes, "rpc.response.status_code"), Some(code));
        assert_eq!(text(&call.attributes, "client.address"), Some("127.0.0.1"));
        assert!(call.start_time_unix_nano < call.end_time_unix_nano);
        // A mistake of the client is no error of the server.
        assert_ne!(call.status.as_ref().map(SpanStatus::code), Some(status::StatusCode::Error));
    }
    assert_eq!(text(&put.attributes, "prism.namespace"), Some("orders"));
    assert_eq!(text(&refused.attributes, "prism.namespace"), None);

    // The Put: it waited, and its batch, which is a trace apart, is linked.
    let [wait] = children(&spans, put)[..] else { panic!("{spans:#?}") };
    assert_eq!((wait.name.as_str(), &wait.trace_id), ("wait", &put.trace_id));
    let [batch] = named(&spans, "batch")[..] else { panic!("{spans:#?}") };
    assert!(batch.parent_span_id.is_empty() && batch.trace_id != put.trace_id);
    let ([to_batch], [to_call]) = (&put.links[..], &batch.links[..]) else { panic!("{put:#?} {batch:#?}") };
    assert_eq!((&to_batch.trace_id, &to_batch.span_id), (&batch.trace_id, &batch.span_id));
    assert_eq!((&to_call.trace_id, &to_call.span_id), (&put.trace_id, &put.span_id));
    assert_eq!(attribute(&batch.attributes, "db.operation.batch.size"), Some(&Attribute::IntValue(1)));
    let statements = children(&spans, batch);
    assert!(!statements.is_empty(), "{spans:#?}");
    // The Get, the only read, was executed at once.
    let of_get = children(&spans, get);
    assert_eq!(of_get.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["statement"]);
    // A stream reads while its messages are sent.
    let [scan] = named(&spans, "prism.keyvalue.v1.KeyValueService/Scan")[..] else { panic!("{spans:#?}") };
    let of_scan = children(&spans, scan);
    assert_eq!(of_scan.len(), 1, "{spans:#?}");
    for statement in statements.iter().chain(&of_get).chain(&of_scan) {
        assert_eq!((statement.name.as_str(), statement.kind()), ("statement", SpanKind::Client));
        assert_eq!(text(&statement.attributes, "db.system.name"), Some("sqlite"));
    }
    assert_eq!(children(&spans, refused), Vec::<&Span>::new());

    // The caller and the log have the ids.
    for ((call, response), line) in [put, get, refused].into_iter().zip(&responses).zip(calls(&log)) {
        let ids = format!("00-{TRACE}-{}-01", hex(&call.span_id));
        assert_eq!(response.get("traceresponse").unwrap().to_str().unwrap(), ids);
        assert_eq!((&line["trace_id"], &line["span_id"]), (&TRACE.into(), &hex(&call.span_id).into()));
    }

    // Who has sent them.
    let requests = collector.spans.lock().unwrap();
    let resource = requests[0].resource_spans[0].resource.clone().unwrap();
    assert_eq!(text(&resource.attributes, "service.name"), Some("prism"));
    assert_eq!(text(&resource.attributes, "service.version"), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(text(&resource.attributes, "deployment.environment.name"), Some("test"));
    assert_eq!(*collector.headers.lock().unwrap(), BTreeSet::from(["mine".to_owned()]));
    for request in requests.iter() {
        let bytes = request.encode_to_vec();
        for secret in SECRETS {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} in {request:#?}");
        }
    }
}

/// Which of many calls are traced, and what the log says of the others.
#[rstest]
#[case::the_share_is_none("0", None, 0)]
#[case::the_share_is_all("1", None, 20)]
#[case::the_caller_traces("0", Some("01"), 20)]
#[case::the_caller_does_not("1", Some("00"), 0)]
fn calls_are_traced_by_the_share_or_as_their_callers_are(
    #[case] share: &str,
    #[case] flags: Option<&str>,
    #[case] traced: usize,
) {
    let (runtime, folder) = (Runtime::new().unwrap(), TempDir::new().unwrap());
    let collector = Collector::new(Mode::Takes);
    let endpoint = runtime.block_on(collector.serve("grpc"));
    let serving = serving(&folder, &endpoint, &[("PRISM_OTLP_SAMPLE", share)]);
    let parent = flags.map(|flags| format!("00-{TRACE}-{SPAN}-{flags}"));
    runtime.block_on(async {
        let mut client = client(&serving).await;
        for _ in 0..20 {
            client.get(with_parent(get(), parent.as_deref())).await.unwrap();
        }
    });
    let log = end(serving);
    let spans = collector.all_spans();
    let calls_traced = named(&spans, "prism.keyvalue.v1.KeyValueService/Get").len();
    assert_eq!(calls_traced, traced);
    if traced == 0 {
        assert_eq!(spans, []);
    }
    let lines = calls(&log);
    assert_eq!(lines.len(), 20);
    for line in lines {
        assert_eq!(line["span_id"].is_string(), traced > 0, "{line}");
        assert_eq!(line["trace_id"].is_string(), traced > 0 || flags.is_some(), "{line}");
        if flags.is_some() {
            assert_eq!(line["trace_id"], TRACE);
        }
    }
}

/// On Postgres, a lone Put is a statement, and one with a precondition a transaction.
#[test]
fn each_statement_of_postgres_has_a_span() {
    if skips(Backend::Postgres, "each_statement_of_postgres_has_a_span") {
        return;
    }
    let (runtime, folder, schema) = (Runtime::new().unwrap(), TempDir::new().unwrap(), LazySchema::new());
    let collector = Collector::new(Mode::Takes);
    let endpoint = runtime.block_on(collector.serve("grpc"));
    let url = runtime.block_on(schema.url()).unwrap();
    let mut command = crate::serve(folder.path());
    command.env("PRISM_OTLP_ENDPOINT", endpoint).env("PRISM_OTLP_SAMPLE", "1").env("DATABASE_URL", url);
    let serving = Serving::start(&mut command);
    runtime.block_on(async {
        let mut client = client(&serving).await;
        client.put(put()).await.unwrap();
        let absent = pb::Precondition { key: "other".into(), ..pb::Precondition::default() };
        client.put(pb::PutRequest { preconditions: vec![absent], ..put() }).await.unwrap();
        client.get(get()).await.unwrap();
    });
    end(serving);
    let spans = collector.all_spans();
    let operations = |of: &Span| -> Vec<String> {
        let mut statements = children(&spans, of);
        statements.sort_by_key(|span| span.start_time_unix_nano);
        let statements = statements.into_iter().filter(|span| span.name == "statement");
        statements
            .map(|span| {
                assert_eq!(text(&span.attributes, "db.system.name"), Some("postgresql"));
                text(&span.attributes, "db.operation.name").unwrap().to_owned()
            })
            .collect()
    };
    let mut batches = named(&spans, "batch");
    batches.sort_by_key(|span| span.start_time_unix_nano);
    let batches: Vec<_> = batches.into_iter().map(operations).collect();
    assert_eq!(batches, [vec!["query"], vec!["BEGIN", "query", "execute", "COMMIT"]]);
    let [get] = named(&spans, "prism.keyvalue.v1.KeyValueService/Get")[..] else { panic!("{spans:#?}") };
    assert_eq!(operations(get), ["query"]);
}

#[test]
fn a_command_takes_part_in_the_trace_of_its_environment() {
    let (runtime, folder) = (Runtime::new().unwrap(), TempDir::new().unwrap());
    let collector = Collector::new(Mode::Takes);
    let endpoint = runtime.block_on(collector.serve("grpc"));
    let serving = serving(&folder, &endpoint, &[("PRISM_OTLP_SAMPLE", "0")]);
    let gateway = format!("http://{}", serving.address);
    // The last one is not valid, and as if there were none.
    for parent in [format!("00-{TRACE}-{SPAN}-01"), String::new(), "secret\n".to_owned()] {
        let put = ["put", "orders", "r", "k=v", "--endpoint", &gateway];
        let mut put = prism(folder.path())
            .args(put)
            .env("TRACEPARENT", parent)
            .env("TRACESTATE", "vendor=1")
            .spawn()
            .unwrap();
        assert_eq!(put.wait().unwrap().code(), Some(0));
    }
    end(serving);
    let spans = collector.all_spans();
    let [put] = named(&spans, "prism.keyvalue.v1.KeyValueService/Put")[..] else { panic!("{spans:#?}") };
    assert_eq!((hex(&put.trace_id).as_str(), hex(&put.parent_span_id).as_str()), (TRACE, SPAN));
    assert_eq!(put.trace_state, "vendor=1");
}

#[test]
fn calls_of_a_batch_are_linked_with_it_and_statements_of_a_batched_read_are_its_own() {
    let (runtime, folder) = (Runtime::new().unwrap(), TempDir::new().unwrap());
    let collector = Collector::new(Mode::Takes);
    let endpoint = runtime.block_on(collector.serve("grpc"));
    let serving =
        serving(&folder, &endpoint, &[("PRISM_OTLP_SAMPLE", "1"), ("PRISM_OTLP_MAX_TRACES", "100000")]);
    runtime.block_on(async {
        let client = client(&serving).await;
        client.clone().put(put()).await.unwrap();
        for _ in 0..5 {
            join_all((0..64).map(|_| {
                let mut client = client.clone();
                async move { client.get(get()).await.unwrap() }
            }))
            .await;
        }
    });
    end(serving);
    let spans = collector.all_spans();
    let batches: Vec<_> = named(&spans, "batch").into_iter().filter(|batch| batch.links.len() > 1).collect();
    assert!(!batches.is_empty(), "no read was batched");
    for batch in batches {
        assert_eq!(children(&spans, batch).len(), 1, "{batch:#?}");
        for link in &batch.links {
            let call = spans.iter().find(|span| span.span_id == link.span_id).unwrap();
            assert!(call.links.iter().any(|link| link.span_id == batch.span_id), "{call:#?}");
        }
    }
}

#[rstest]
fn a_collector_that_takes_nothing_costs_calls_nothing(
    #[values(Some(Mode::Unavailable), Some(Mode::Hangs), None)] mode: Option<Mode>,
    #[values("grpc", "http")] protocol: &str,
) {
    /// More than the queue and a request have spans.
    const CALLS: usize = 3_000;
    let (runtime, folder) = (Runtime::new().unwrap(), TempDir::new().unwrap());
    let endpoint = if let Some(mode) = mode {
        runtime.block_on(Collector::new(mode).serve(protocol))
    } else {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", free.local_addr().unwrap())
    };
    let settings = [
        ("PRISM_OTLP_PROTOCOL", protocol),
        ("PRISM_OTLP_SAMPLE", "1"),
        ("PRISM_OTLP_MAX_TRACES", "100000"),
        ("PRISM_OTLP_METRICS_INTERVAL", "10ms"),
        ("PRISM_LOGGING_LEVEL", "warn"),
    ];
    let serving = Serving::start(
        prism(folder.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--database", "prism.db"])
            .env("PRISM_OTLP_ENDPOINT", endpoint)
            .env("PRISM_ADMIN_LISTEN", "127.0.0.1:0")
            .envs(settings)
            .env("PRISM_LOGGING_LEVEL", "info"),
    );
    let admin: SocketAddr = serving.started["admin"].as_str().unwrap().parse().unwrap();
    runtime.block_on(async {
        let client = client(&serving).await;
        for _ in 0..CALLS / 100 {
            join_all((0..100).map(|_| {
                let mut client = client.clone();
                async move { client.get(get()).await.unwrap() }
            }))
            .await;
        }
    });
    let page = super::status::get(&admin.to_string(), "/metrics");
    let value = |name: &str| -> u64 {
        let line =
            page.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {page}"));
        line.trim().parse().unwrap()
    };
    assert!(value("prism_otlp_spans_dropped_total{reason=\"queue_full\"}") > 0, "{page}");
    assert_eq!(value("prism_otlp_spans_total"), 0);
    let began = Instant::now();
    let log = end(serving);
    assert!(began.elapsed() < Duration::from_secs(8), "it took {:?} to end", began.elapsed());
    // One line for each kind of export, however many fail.
    let of = |line: &&Value| line["message"] == "the OTLP collector does not take what is exported";
    let failures: Vec<_> = log.iter().filter(of).map(|line| &line["exported"]).collect();
    let distinct: BTreeSet<_> = failures.iter().map(ToString::to_string).collect();
    assert_eq!(failures.len(), distinct.len(), "{failures:?}");
    if mode != Some(Mode::Hangs) {
        assert!(distinct.contains("\"spans\""), "{failures:?}");
        assert!(value("prism_otlp_metric_exports_total{result=\"failed\"}") > 0, "{page}");
    }
}

#[rstest]
fn the_metrics_that_are_exported_are_those_of_the_page(#[values("grpc", "http")] protocol: &str) {
    let (runtime, folder) = (Runtime::new().unwrap(), TempDir::new().unwrap());
    let collector = Collector::new(Mode::Takes);
    let endpoint = runtime.block_on(collector.serve(protocol));
    let settings = [("PRISM_OTLP_PROTOCOL", protocol), ("PRISM_OTLP_METRICS_INTERVAL", "1h")];
    let serving = serving(&folder, &endpoint, &settings);
    let admin = serving.started["admin"].as_str().unwrap().to_owned();
    runtime.block_on(async {
        let mut client = client(&serving).await;
        client.put(put()).await.unwrap();
        client.get(get()).await.unwrap();
    });
    let page = super::status::get(&admin, "/metrics");
    let families: BTreeSet<(String, String)> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    // The last export is made when the gateway ends.
    end(serving);
    let requests = collector.metrics.lock().unwrap();
    let [request] = &requests[..] else { panic!("{} exports", requests.len()) };
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let exported: BTreeSet<(String, String)> = metrics
        .iter()
        .map(|metric| {
            let kind = match metric.data.as_ref().unwrap() {
                Data::Sum(sum) => {
                    assert!(sum.is_monotonic && sum.aggregation_temporality == 2, "{metric:#?}");
                    "counter"
                }
                Data::Gauge(_) => "gauge",
                Data::Histogram(histogram) => {
                    for point in &histogram.data_points {
                        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                        assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
                    }
                    "histogram"
                }
                other => panic!("{other:?}"),
            };
            (metric.name.clone(), kind.to_owned())
        })
        .collect();
    assert!(families.is_subset(&exported), "not exported: {:?}", families.difference(&exported));
    let calls = metrics.iter().find(|metric| metric.name == "grpc_server_call_started").unwrap();
    let Some(Data::Sum(sum)) = &calls.data else { panic!("{calls:?}") };
    let put = sum.data_points.iter().find(|point| {
        text(&point.attributes, "grpc_method") == Some("prism.keyvalue.v1.KeyValueService/Put")
    });
    let put = put.unwrap();
    assert_eq!(put.value, Some(opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsInt(1)));
    assert!(0 < put.start_time_unix_nano && put.start_time_unix_nano < put.time_unix_nano);
    let size = metrics.iter().find(|metric| metric.name == "prism_database_file_bytes").unwrap();
    assert_eq!(size.unit, "By");
}
