//! TimeSeries in the databases that the configuration names.

use std::path::Path;

use prism_contract::keyvalue::request::{GetRequest, PutRequest};
use prism_contract::timeseries::request::TailFrom;
use prism_proxy::config::{Sources, load};
use prism_proxy::server::Services;
use prism_wire::timeseries::Resume;
use tonic::Code;

use super::{append, event, ids, next, query, read, tail};
use crate::support::{Server, get, item, put, refusal, until};

/// The services of a configuration.
async fn opened(yaml: &str) -> Services {
    let file = Some(("prism.yaml".into(), yaml.to_owned()));
    let config = load(&Sources { file, ..Sources::default() }).unwrap();
    prism_proxy::backend::open_all(&config).await.map_err(|(_, why)| why).unwrap()
}

/// A gateway on a SQLite file with the TimeSeries namespace `events`.
async fn on_sqlite(path: &Path) -> Server {
    let rules = "namespaces: {rules: [{match: events, abstraction: timeseries}]}";
    let services = opened(&format!("database: {{path: {}}}\n{rules}\n", path.display())).await;
    Server::start_with(services, |_| {}).await
}

#[tokio::test]
async fn events_in_sqlite_survive_a_restart_beside_items_and_a_token_works_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prism.db");
    let mut server = on_sqlite(&path).await;
    let (items, client) = (server.client().await, server.timeseries().await);
    items.put(PutRequest { namespace: "items".to_owned(), ..put(vec![item("k", "v")]) }).await.unwrap();
    let mut followed = client.tail(tail("events", "s", TailFrom::Now), Resume::Never);
    let token = next(&mut followed).await.unwrap().token;
    client.append(append("events", vec![event("s", "1")])).await.unwrap();
    assert_eq!(ids(&mut followed).await, ["1"]);
    server.shutdown.drain();
    assert_eq!(refusal(next(&mut followed).await).code, Code::Unavailable);
    (&mut server.running).await.unwrap().unwrap();

    let server = on_sqlite(&path).await;
    let client = server.timeseries().await;
    assert_eq!(read(&client, query("events", "s")).await.unwrap().events.len(), 1);
    let mut resumed = client.tail(tail("events", "s", TailFrom::Token(token)), Resume::Never);
    assert_eq!(ids(&mut resumed).await, ["1"]);
    let items = server.client().await;
    let stored = items.get(GetRequest { namespace: "items".to_owned(), ..get() }).await.unwrap();
    assert_eq!(stored.items.len(), 1);
}

#[tokio::test]
async fn a_backend_that_is_opened_later_serves_its_timeseries_namespaces_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("later");
    let services = opened(&format!(
        "backends:\n  main: {{type: memory}}\n  later: {{path: {}, required: false}}\n\
         namespaces:\n  default_backend: main\n  rules:\n\
         \x20   - {{match: later, backend: later, abstraction: timeseries}}\n\
         \x20   - {{match: main, abstraction: timeseries}}\n",
        missing.join("prism.db").display()
    ))
    .await;
    let server = Server::start_with(services, |_| {}).await;
    let client = server.timeseries().await;
    client.append(append("main", vec![event("s", "1")])).await.unwrap();
    assert_eq!(refusal(client.append(append("later", vec![event("s", "1")])).await).code, Code::Unavailable);
    let mut followed = client.tail(tail("later", "s", TailFrom::Beginning), Resume::Never);
    assert_eq!(refusal(next(&mut followed).await).code, Code::Unavailable);
    std::fs::create_dir(&missing).unwrap();
    let opened = async || client.append(append("later", vec![event("s", "1")])).await.is_ok();
    until("the backend is open", opened).await;
    let mut followed = client.tail(tail("later", "s", TailFrom::Beginning), Resume::Never);
    assert_eq!(ids(&mut followed).await, ["1"]);
}
