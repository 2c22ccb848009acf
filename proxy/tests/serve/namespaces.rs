//! Namespaces without number: neither the metrics nor the memory of a process grow with them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use prism_contract::keyvalue::request::GetRequest;
use prism_wire::channel::{Connection, Options};
use prism_wire::keyvalue::Client;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::status::get;
use crate::{Serving, serve};

/// The longest time for a page while clients flood the gateway.
const QUICK: Duration = Duration::from_secs(2);

/// The memory of the process, from its page, and the number of its series.
fn memory_and_series(admin: &str) -> (f64, usize) {
    let page = get(admin, "/metrics");
    let memory = page.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    (memory.unwrap().parse().unwrap(), page.lines().filter(|line| !line.starts_with('#')).count())
}

/// Reads absent records of so many namespaces, a few at a time; each once.
async fn flood(client: &Client, namespaces: std::ops::Range<usize>) {
    let calls = namespaces.map(|number| {
        let client = client.clone();
        let request =
            GetRequest { namespace: format!("n{number}"), id: "r".to_owned(), ..GetRequest::default() };
        async move { client.get(request).await.unwrap() }
    });
    stream::iter(calls).buffer_unordered(64).for_each(|_| async {}).await;
}

/// After a first part of the namespaces, the rest grows the process by less than `grown` bytes and no series; and the page is
/// quick meanwhile.
fn namespaces_cost_nothing(namespaces: usize, grown: f64) {
    let folder = TempDir::new().unwrap();
    let mut command = serve(folder.path());
    // Its log is not read.
    command.env("PRISM_ADMIN_LISTEN", "127.0.0.1:0").env("PRISM_LOGGING_SAMPLE", "1000000");
    let serving = Serving::start(&mut command);
    let admin = serving.started["admin"].as_str().unwrap().to_owned();
    let runtime = Runtime::new().unwrap();
    let client = runtime.block_on(async {
        let endpoint = Options::new(format!("http://{}", serving.address));
        Client::new(Connection::open(&endpoint).await.unwrap())
    });
    let warm = namespaces / 4;
    runtime.block_on(flood(&client, 0..warm));
    let before = memory_and_series(&admin);
    let is_over = AtomicBool::new(false);
    let slowest = std::thread::scope(|scope| {
        let pages = scope.spawn(|| {
            let mut slowest = Duration::ZERO;
            while !is_over.load(Ordering::Relaxed) {
                let began = Instant::now();
                let page = get(&admin, "/metrics");
                slowest = slowest.max(began.elapsed());
                assert!(page.ends_with("# EOF\n"), "{page}");
            }
            slowest
        });
        runtime.block_on(flood(&client, warm..namespaces));
        is_over.store(true, Ordering::Relaxed);
        pages.join().unwrap()
    });
    let after = memory_and_series(&admin);
    #[expect(clippy::print_stderr, reason = "the figures, of the full-scale run")]
    {
        eprintln!("{namespaces} namespaces: {before:?}, then {after:?}; the slowest page took {slowest:?}");
    }
    assert_eq!(before.1, after.1, "series");
    assert!(after.0 - before.0 < grown, "the memory grew from {} to {} bytes", before.0, after.0);
    assert!(slowest < QUICK, "a page took {slowest:?}");
}

#[test]
fn thousands_of_namespaces_grow_neither_memory_nor_series() {
    namespaces_cost_nothing(4_000, 16e6);
}

#[test]
#[ignore = "the same with 100,000 namespaces"]
fn a_hundred_thousand_namespaces_grow_neither_memory_nor_series() {
    namespaces_cost_nothing(100_000, 16e6);
}
