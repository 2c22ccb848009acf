//! Runs one request path a number of times, for counting its instructions: see `.ci/instructions.py`.
//!
//! `request_path SCENARIO ROUNDS` does ROUNDS rounds of [`TOGETHER`] requests at once, or of one, on one thread (SQLite has
//! its own), and checks each answer. What is set up before is counted too, so two runs of different length are compared.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use futures::future::join_all;
use prism_backends::{Sqlite, sqlite};
use prism_contract::Timestamp;
use prism_contract::keyvalue::request::{GetRequest, ItemInput, KeyPredicate, PutRequest};
use prism_contract::keyvalue::{Edge, KeyValueBackend, Memory};
use prism_proxy::server::{Options, Shutdown, run};
use prism_wire::channel;
use prism_wire::keyvalue::Client;
use tokio::net::TcpListener;

/// How many requests wait together.
const TOGETHER: usize = 64;
/// How many records there are.
const RECORDS: usize = 1_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scenario, rounds] = arguments.as_slice() else { return usage() };
    let Ok(rounds) = rounds.parse() else { return usage() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if runtime.block_on(play(scenario, rounds)) { ExitCode::SUCCESS } else { usage() }
}

#[expect(clippy::print_stderr, reason = "this is where it says how it is run")]
fn usage() -> ExitCode {
    eprintln!("usage: request_path put-together|put-alone|get-together|get-alone|grpc-put|grpc-get ROUNDS");
    ExitCode::from(2)
}

/// Whether there is such a scenario.
async fn play(scenario: &str, rounds: usize) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    match scenario {
        "put-together" => puts(&sqlite(folder.path()).await, rounds, TOGETHER).await,
        "put-alone" => puts(&sqlite(folder.path()).await, rounds, 1).await,
        "get-together" => gets(&sqlite(folder.path()).await, rounds, TOGETHER).await,
        "get-alone" => gets(&sqlite(folder.path()).await, rounds, 1).await,
        "grpc-put" => over_grpc(rounds, true).await,
        "grpc-get" => over_grpc(rounds, false).await,
        _ => return false,
    }
    true
}

async fn sqlite(folder: &Path) -> Edge<Sqlite> {
    let options = sqlite::Options::new(folder.join("prism.db"));
    let edge = Edge::new(Arc::new(Sqlite::open(options).await.expect("the file opens")), "0");
    puts(&edge, RECORDS / TOGETHER, TOGETHER).await;
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
        id: format!("r{}", number % (RECORDS / TOGETHER * TOGETHER)),
        predicate: Some(KeyPredicate::MatchKeys(vec!["k".into()])),
        ..GetRequest::default()
    }
}

async fn puts<B: KeyValueBackend>(edge: &Edge<B>, rounds: usize, together: usize) {
    for round in 0..rounds {
        let answers = (0..together).map(|number| edge.put(Timestamp::EPOCH, put(round * together + number)));
        for answer in join_all(answers).await {
            assert!(answer.expect("a put is answered").results[0].applied);
        }
    }
}

async fn gets<B: KeyValueBackend>(edge: &Edge<B>, rounds: usize, together: usize) {
    for round in 0..rounds {
        let answers = (0..together).map(|number| edge.get(Timestamp::EPOCH, get(round * together + number)));
        for answer in join_all(answers).await {
            assert_eq!(answer.expect("a get is answered").items.len(), 1);
        }
    }
}

/// The gateway and a client of it, over a socket, before a backend that keeps what it is given in memory.
async fn over_grpc(rounds: usize, puts: bool) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = listener.local_addr().expect("an address").to_string();
    let shutdown = Shutdown::new();
    let server =
        tokio::spawn(run(Arc::new(Memory::default()), listener, shutdown.clone(), Options::default()));
    let client = Client::connect(&channel::Options::new(endpoint)).await;
    let client = client.expect("the gateway answers");
    let rounds_of_puts = if puts { rounds } else { RECORDS / TOGETHER };
    for round in 0..rounds_of_puts {
        let answers = (0..TOGETHER).map(|number| client.put(put(round * TOGETHER + number)));
        join_all(answers).await.into_iter().for_each(|answer| drop(answer.expect("a put is answered")));
    }
    for round in 0..if puts { 0 } else { rounds } {
        let answers = (0..TOGETHER).map(|number| client.get(get(round * TOGETHER + number)));
        for answer in join_all(answers).await {
            assert_eq!(answer.expect("a get is answered").items.len(), 1);
        }
    }
    drop(client);
    shutdown.drain();
    server.await.expect("the gateway does not panic").expect("the gateway stops");
}
