//! A database that is killed under load: its namespaces are unavailable, and no others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use prism_contract::keyvalue::request::{GetRequest, ItemInput, PutRequest};
use prism_testkit::{Backend, Private, skips};
use prism_wire::channel::CallError;
use prism_wire::keyvalue::Client;
use tempfile::TempDir;
use tonic::Code;

use crate::{Serving, serve};

const NAMESPACES: [&str; 3] = ["on-sqlite", "on-memory", "orders-1"];

/// The calls of a namespace so far, by their status.
type Seen = Arc<Mutex<HashMap<(&'static str, Code), usize>>>;

async fn call(client: &Client, namespace: &str, id: &str) -> Result<(), CallError> {
    let (namespace, id) = (namespace.to_owned(), id.to_owned());
    let items = vec![ItemInput { key: "k".into(), value: "value".into(), ..ItemInput::default() }];
    let put = PutRequest { namespace: namespace.clone(), id: id.clone(), items, ..PutRequest::default() };
    client.put(put).await?;
    client.get(GetRequest { namespace, id, ..GetRequest::default() }).await.map(drop)
}

fn code(answer: &Result<(), CallError>) -> Code {
    match answer {
        Ok(()) => Code::Ok,
        Err(error) => error.status().expect("a status").code,
    }
}

async fn until_recovered(client: &Client) {
    let began = Instant::now();
    while call(client, "orders-1", "r").await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "never recovered");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_database_costs_its_namespaces_and_no_others_and_comes_back_without_a_restart() {
    if skips(Backend::Postgres, "a killed database") {
        return;
    }
    let database = Private::launch().await.unwrap_or_else(|error| panic!("{error}"));
    let folder = TempDir::new().unwrap();
    let yaml = format!(
        "backends:\n  main: {{path: ./prism.db}}\n  mem: {{type: memory}}\n  orders: {{url: \"{}\", required: false}}\n\
         namespaces:\n  default_backend: main\n  rules:\n    - {{match: \"orders-*\", backend: orders}}\n    - {{match: \
         on-memory, backend: mem}}\n",
        database.url()
    );
    std::fs::write(folder.path().join("prism.yaml"), yaml).unwrap();
    let mut command = serve(folder.path());
    command.args(["--config", "prism.yaml"]);
    let mut serving = Serving::start(&mut command);
    let errors = serving.errors();
    let client = Client::connect(&prism_wire::channel::Options::new(serving.address.clone())).await.unwrap();

    let (seen, stop) = (Seen::default(), Arc::new(AtomicBool::new(false)));
    let workers: Vec<_> = (0..12)
        .map(|worker| {
            let (client, seen, stop) = (client.clone(), Arc::clone(&seen), Arc::clone(&stop));
            tokio::spawn(async move {
                let namespace = NAMESPACES[worker % 3];
                while !stop.load(Ordering::Relaxed) {
                    let answer = call(&client, namespace, &format!("w{worker}")).await;
                    *seen.lock().unwrap().entry((namespace, code(&answer))).or_default() += 1;
                }
            })
        })
        .collect();
    let count = |namespace: &'static str, code: Code| {
        seen.lock().unwrap().get(&(namespace, code)).copied().unwrap_or_default()
    };
    let until = async |what: &str, holds: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < Duration::from_secs(30), "never: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    until("calls of all namespaces", &|| NAMESPACES.iter().all(|name| count(name, Code::Ok) > 100)).await;
    database.kill().await.unwrap();
    until("unavailable", &|| count("orders-1", Code::Unavailable) > 100).await;
    let before = NAMESPACES.map(|name| count(name, Code::Ok));
    until("the others go on", &|| count(NAMESPACES[0], Code::Ok) > before[0] + 500).await;
    until("the others go on", &|| count(NAMESPACES[1], Code::Ok) > before[1] + 500).await;
    assert_eq!(count("orders-1", Code::Ok), before[2]);
    database.start().await.unwrap();
    until_recovered(&client).await;
    until("orders go on", &|| count("orders-1", Code::Ok) > before[2] + 100).await;
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    for (namespace, code) in seen.lock().unwrap().keys() {
        let allowed: &[Code] =
            if *namespace == "orders-1" { &[Code::Ok, Code::Unavailable] } else { &[Code::Ok] };
        assert!(allowed.contains(code), "{namespace}: {code:?}: {:?}", errors.lock().unwrap());
    }
    drop(serving);

    // It also starts without the database, which it takes up once it is there.
    database.kill().await.unwrap();
    let mut serving = Serving::start(&mut command);
    serving.close_log();
    let client = Client::connect(&prism_wire::channel::Options::new(serving.address.clone())).await.unwrap();
    assert_eq!(code(&call(&client, "orders-1", "r").await), Code::Unavailable);
    assert_eq!(code(&call(&client, "on-sqlite", "r").await), Code::Ok);
    database.start().await.unwrap();
    until_recovered(&client).await;
}
