//! The line of a slow call: where its time went within the store.

use prism_contract::keyvalue::request::{ItemInput, PutRequest};
use prism_wire::channel::{Connection, Options};
use prism_wire::keyvalue::Client;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{Serving, serve};

#[test]
fn a_slow_put_says_how_long_it_waited_and_its_batch_took() {
    /// So many, of a megabyte each, take longer than a millisecond, and wait for each other.
    const PUTS: usize = 8;
    let folder = TempDir::new().unwrap();
    let mut serving = Serving::start(serve(folder.path()).env("PRISM_LOGGING_SLOW", "1ms"));
    let endpoint = Options::new(format!("http://{}", serving.address));
    Runtime::new().unwrap().block_on(async {
        let client = Client::new(Connection::open(&endpoint).await.unwrap());
        let puts = (0..PUTS).map(|number| {
            let (key, value) = (vec![b'k'].into(), vec![b'v'; 1 << 20].into());
            let item = ItemInput { key, value, ..ItemInput::default() };
            let (namespace, id) = ("orders".to_owned(), format!("r{number}"));
            client.put(PutRequest { namespace, id, items: vec![item], ..PutRequest::default() })
        });
        for put in futures::future::join_all(puts).await {
            put.unwrap();
        }
    });
    serving.signal("-TERM");
    let log = serving.rest_of_log();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let slow: Vec<_> = lines.filter(|line| line["slow"] == true).collect();
    assert!(!slow.is_empty(), "{log}");
    let mut explained = 0;
    for line in &slow {
        let [execute, wait, batch] =
            ["execute_ms", "wait_ms", "batch_ms"].map(|field| line[field].as_f64().unwrap());
        assert!(batch > 0.0 && wait + batch <= execute + 0.01, "{line}");
        // The rest is the way to the store and back.
        explained += usize::from(wait + batch > execute / 2.0);
    }
    assert!(explained > 0, "{slow:#?}");
}
