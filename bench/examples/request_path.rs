//! Repeats one request path, for counting its instructions: see `.ci/instructions.py`.
//!
//! `request_path SCENARIO ROUNDS` runs ROUNDS rounds of [`CONCURRENCY`] concurrent requests, or of one, on one thread (SQLite
//! has its own), and verifies each answer. Setup is counted too, so runs of different length have to be compared.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use futures::future::join_all;
use prism_backends::{Sqlite, sqlite};
use prism_contract::Timestamp;
use prism_contract::keyvalue::request::{GetRequest, ItemInput, KeyPredicate, PutRequest};
use prism_contract::keyvalue::{Edge, KeyValueBackend, Memory};
use prism_proxy::config::{LogLevel, Logging, Otlp};
use prism_proxy::logging;
use prism_proxy::metrics::Metrics;
use prism_proxy::server::{Options, Shutdown, run};
use prism_proxy::telemetry::{Exporting, Telemetry, Traces};
use prism_wire::channel;
use prism_wire::keyvalue::Client;
use tokio::net::TcpListener;

/// Number of concurrent requests.
const CONCURRENCY: usize = 64;
/// Number of records.
const RECORDS: usize = 1_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scenario, rounds] = arguments.as_slice() else { return usage() };
    let Ok(rounds) = rounds.parse() else { return usage() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if runtime.block_on(run_scenario(scenario, rounds)) { ExitCode::SUCCESS } else { usage() }
}

#[expect(clippy::print_stderr, reason = "prints the usage")]
fn usage() -> ExitCode {
    eprintln!(
        "usage: request_path put-together|put-alone|get-together|get-alone|grpc-put|grpc-get|grpc-get-traced ROUNDS"
    );
    ExitCode::from(2)
}

/// Runs a scenario; false if it is unknown.
async fn run_scenario(scenario: &str, rounds: usize) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    match scenario {
        "put-together" => puts(&sqlite(folder.path()).await, rounds, CONCURRENCY).await,
        "put-alone" => puts(&sqlite(folder.path()).await, rounds, 1).await,
        "get-together" => gets(&sqlite(folder.path()).await, rounds, CONCURRENCY).await,
        "get-alone" => gets(&sqlite(folder.path()).await, rounds, 1).await,
        "grpc-put" => {
            log(None);
            over_grpc(rounds, true, Options::default()).await;
        }
        "grpc-get" => {
            log(None);
            over_grpc(rounds, false, Options::default()).await;
        }
        "grpc-get-traced" => {
            let (traces, _exporting) = traces();
            over_grpc(rounds, false, Options { traces, ..Options::default() }).await;
        }
        _ => return false,
    }
    true
}

async fn sqlite(folder: &Path) -> Edge<Arc<Sqlite>> {
    let options = sqlite::Options::new(folder.join("prism.db"));
    let edge = Edge::new(Arc::new(Sqlite::open(options).await.expect("the file opens")), "0");
    puts(&edge, RECORDS / CONCURRENCY, CONCURRENCY).await;
    edge
}

fn put(number: usize) -> PutRequest {
    let value = vec![b'v'; 100].into();
    PutRequest {
        namespace: "bench".to_owned(),
        id: format!("r{}", number % RECORDS),
        items: vec![ItemInput { key: "k".into(), value, ..ItemInput::default() }],
        ..PutRequest::default()
    }
}

fn get(number: usize) -> GetRequest {
    GetRequest {
        namespace: "bench".to_owned(),
        id: format!("r{}", number % (RECORDS / CONCURRENCY * CONCURRENCY)),
        predicate: Some(KeyPredicate::MatchKeys(vec!["k".into()])),
        ..GetRequest::default()
    }
}

async fn puts<B: KeyValueBackend>(edge: &Edge<Arc<B>>, rounds: usize, concurrency: usize) {
    for round in 0..rounds {
        let answers =
            (0..concurrency).map(|number| edge.put(Timestamp::EPOCH, put(round * concurrency + number)));
        for answer in join_all(answers).await {
            assert!(answer.expect("a put is answered").results[0].applied);
        }
    }
}

async fn gets<B: KeyValueBackend>(edge: &Edge<Arc<B>>, rounds: usize, concurrency: usize) {
    for round in 0..rounds {
        let answers =
            (0..concurrency).map(|number| edge.get(Timestamp::EPOCH, get(round * concurrency + number)));
        for answer in join_all(answers).await {
            assert_eq!(answer.expect("a get is answered").items.len(), 1);
        }
    }
}

/// Traces of one in a hundred calls, for a collector that is away.
fn traces() -> (Traces, Exporting) {
    let endpoint = Some("http://127.0.0.1:1".parse().expect("a URL"));
    let otlp = Otlp { endpoint, max_traces: usize::MAX >> 3, ..Otlp::default() };
    let telemetry = Telemetry::new(&otlp).expect("the settings are valid").expect("there is an endpoint");
    log(Some(&telemetry));
    let traces = telemetry.traces();
    (traces, telemetry.start(&Metrics::default()))
}

/// A log of nothing, until the end of the process: without any, events are passed to another crate.
fn log(telemetry: Option<&Telemetry>) {
    let logging = Logging { level: LogLevel::Off, ..Logging::default() };
    std::mem::forget(logging::start(logging, telemetry).expect("the log starts"));
}

/// Gateway and client over a socket, with the in-memory backend.
async fn over_grpc(rounds: usize, puts: bool, options: Options) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = listener.local_addr().expect("an address").to_string();
    let shutdown = Shutdown::new();
    let server = tokio::spawn(run(Arc::new(Memory::default()), listener, shutdown.clone(), options));
    let client = Client::connect(&channel::Options::new(endpoint)).await;
    let client = client.expect("the gateway answers");
    let rounds_of_puts = if puts { rounds } else { RECORDS / CONCURRENCY };
    for round in 0..rounds_of_puts {
        let answers = (0..CONCURRENCY).map(|number| client.put(put(round * CONCURRENCY + number)));
        join_all(answers).await.into_iter().for_each(|answer| drop(answer.expect("a put is answered")));
    }
    for round in 0..if puts { 0 } else { rounds } {
        let answers = (0..CONCURRENCY).map(|number| client.get(get(round * CONCURRENCY + number)));
        for answer in join_all(answers).await {
            assert_eq!(answer.expect("a get is answered").items.len(), 1);
        }
    }
    drop(client);
    shutdown.drain();
    server.await.expect("the gateway does not panic").expect("the gateway stops");
}
