//! The log of a process, whether it is read or not.

use std::io::BufRead;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures::{StreamExt, stream};
use prism_contract::keyvalue::request::GetRequest;
use serde_json::Value;
use tempfile::TempDir;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::status;
use crate::{Serving, serve};

/// A client of a server, on a separate runtime.
struct Calls {
    runtime: tokio::runtime::Runtime,
    client: prism_wire::keyvalue::Client,
}

impl Calls {
    fn to(serving: &Serving) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let options = prism_wire::channel::Options::new(serving.address.clone());
        let client = runtime.block_on(prism_wire::keyvalue::Client::connect(&options)).unwrap();
        Self { runtime, client }
    }

    /// Makes `count` Gets, all of which must succeed.
    fn gets(&self, count: usize) {
        let get = GetRequest { namespace: "n".repeat(128), id: "i".to_owned(), ..GetRequest::default() };
        let all = stream::iter(0..count).map(|_| self.client.get(get.clone())).buffer_unordered(64);
        let all = all.for_each(async |result| {
            result.expect("a call failed");
        });
        let bound = async { tokio::time::timeout(Duration::from_mins(2), all).await };
        self.runtime.block_on(bound).expect("calls are blocked by the log");
    }
}

fn serve_memory(folder: &Path) -> Command {
    let mut command = serve(folder);
    command.env("PRISM_DATABASE_TYPE", "memory");
    command
}

/// More calls than a pipe and the log's buffers can hold lines, at 400 bytes each.
const TOO_MANY: usize = 16_000;

#[test]
fn an_unread_log_blocks_neither_calls_nor_the_exit() {
    let folder = TempDir::new().unwrap();
    let mut serving = Serving::start(&mut serve_memory(folder.path()));
    Calls::to(&serving).gets(TOO_MANY);
    serving.signal("-TERM");
    assert_eq!(serving.wait().code(), Some(0));
}

#[test]
fn dropped_lines_are_reported_once_the_log_is_read_again() {
    let folder = TempDir::new().unwrap();
    let mut serving = Serving::start(serve_memory(folder.path()).env("PRISM_ADMIN_LISTEN", "127.0.0.1:0"));
    let admin = serving.started["admin"].as_str().unwrap().to_owned();
    let calls = Calls::to(&serving);
    calls.gets(TOO_MANY);
    let page = status::get(&admin, "/metrics");
    let counted = page.lines().find_map(|line| line.strip_prefix("prism_log_lines_dropped_total "));
    let counted: u64 = counted.unwrap().trim().parse().unwrap();
    assert!(counted > 0, "{page}");
    let is_call = |line: &Value| line["message"] == "call" && line["status"] == "OK";
    let (mut logged, mut dropped) = (0, 0);
    while dropped == 0 && logged < TOO_MANY {
        let mut line = String::new();
        serving.log.read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        logged += usize::from(is_call(&line));
        dropped = line["left_out"].as_u64().unwrap_or_default();
    }
    assert!(dropped > 0, "all {logged} were logged");
    // The dropped lines may include others, such as a health check.
    assert!(dropped >= counted, "{dropped} dropped, {counted} counted before");
    assert!(usize::try_from(dropped).unwrap() + logged >= TOO_MANY, "{dropped} dropped, {logged} logged");
    calls.gets(1);
    serving.signal("-TERM");
    let rest = serving.rest_of_log();
    assert!(rest.contains("\"status\":\"OK\"") && rest.contains("\"stopped\""), "{rest}");
    assert_eq!(serving.wait().code(), Some(0));
}

#[test]
fn a_log_without_a_reader_blocks_neither_calls_nor_the_exit() {
    let folder = TempDir::new().unwrap();
    let mut serving = Serving::start(&mut serve_memory(folder.path()));
    serving.close_log();
    Calls::to(&serving).gets(1_000);
    serving.signal("-TERM");
    assert_eq!(serving.wait().code(), Some(0));
}

#[test]
fn a_flood_of_warnings_is_summarized() {
    const WATCHES: u64 = 500;
    let folder = TempDir::new().unwrap();
    let mut serving = Serving::start(&mut serve_memory(folder.path()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = format!("http://{}", serving.address);
    runtime.block_on(async {
        let channel = tonic::transport::Endpoint::new(url).unwrap().connect().await.unwrap();
        let watches = stream::iter(0..WATCHES).then(|_| {
            let mut health = HealthClient::new(channel.clone());
            async move { health.watch(HealthCheckRequest::default()).await }
        });
        let refused = watches.collect::<Vec<_>>().await.into_iter().filter(Result::is_err).count();
        assert_eq!(refused as u64, WATCHES - 8);
    });
    serving.signal("-TERM");
    assert_eq!(serving.wait().code(), Some(0));
    let log = serving.rest_of_log();
    let warnings: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).filter(is_warning).collect();
    let (summaries, single): (Vec<_>, Vec<_>) =
        warnings.iter().partition(|line| line.get("left_out").is_some());
    let left_out: u64 = summaries.iter().map(|line| line["left_out"].as_u64().unwrap()).sum();
    assert!(single.len() <= 40 && summaries.len() <= 2, "{log}");
    assert_eq!(single.len() as u64 + left_out, WATCHES - 8);
    assert_eq!(summaries[0]["method"], "grpc.health.v1.Health/Watch");
}

fn is_warning(line: &Value) -> bool {
    line["level"] == "WARN" && line["status"] == "RESOURCE_EXHAUSTED"
}
