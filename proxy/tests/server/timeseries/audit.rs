//! The audit lines of TimeSeries calls.

use std::fs;
use std::sync::Arc;

use prism_contract::timeseries::request::{DescribeRequest, TailFrom};
use prism_proxy::audit::Audit;
use prism_proxy::config::{self, AuditShow};
use prism_proxy::server::AuditOptions;
use prism_wire::timeseries::Resume;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{append, event, ids, next, query, read, services, tail};
use crate::support::{Server, refusal, until};

#[tokio::test]
async fn appends_and_queries_have_their_line_by_their_answer_and_a_tail_has_its_at_its_end() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let settings = config::Audit { show: AuditShow::Plain, ..config::Audit::default() };
    let log = Audit::open(&path, &settings).unwrap();
    let server = Server::start_with(services(), |options| {
        options.audit = Some(AuditOptions { log, audits: Arc::new(|name| name.starts_with("events")) });
    })
    .await;
    let calls = || -> Vec<Value> {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line.get("method").is_some()).collect()
    };
    let shown = |line: &Value| {
        let method = line["method"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        json!([method, line["status"], line["namespace"], line["id"], line["ids"], line["messages"]])
    };
    let client = server.timeseries().await;
    let mut cancelled = client.tail(tail("events", "s", TailFrom::Now), Resume::Never);
    let mut drained = client.tail(tail("events", "", TailFrom::Now), Resume::Never);
    for messages in [&mut cancelled, &mut drained] {
        next(messages).await.unwrap();
    }
    client.append(append("events", vec![event("s", "1"), event("s", "2")])).await.unwrap();
    assert_eq!(
        calls().iter().map(shown).collect::<Vec<_>>(),
        [json!(["Append", "OK", "events", "s", ["1", "2"], null])]
    );
    read(&client, query("events", "s")).await.unwrap();
    // The line is written before the status, which ends the stream.
    until("the Query has its line", async || calls().len() == 2).await;
    assert_eq!(shown(&calls()[1]), json!(["Query", "OK", "events", "s", null, 1]));
    client.describe(DescribeRequest { namespace: "events".to_owned() }).await.unwrap();
    for messages in [&mut cancelled, &mut drained] {
        assert_eq!(ids(messages).await, ["1", "2"]);
    }
    assert_eq!(calls().len(), 2, "a Tail that goes on has a line, or Describe");

    drop(cancelled);
    until("the cancelled Tail has its line", async || calls().len() == 3).await;
    assert_eq!(shown(&calls()[2]), json!(["Tail", "CANCELLED", "events", "s", null, 2]));
    server.shutdown.drain();
    refusal(next(&mut drained).await);
    assert_eq!(shown(&calls()[3]), json!(["Tail", "UNAVAILABLE", "events", null, null, 2]));
}
