//! Throughput of the SQLite backend with many callers in one process.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use prism_backends::sqlite::{Options, Sqlite};
use prism_contract::keyvalue::*;

fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}

async fn run(name: &str, callers: u64, store: Arc<Sqlite>, kind: u8) {
    let done = Arc::new(AtomicU64::new(0));
    let before = cpu();
    let end = Instant::now() + Duration::from_secs(4);
    let mut tasks = Vec::new();
    for c in 0..callers {
        let (store, done) = (store.clone(), done.clone());
        tasks.push(tokio::spawn(async move {
            let mut n = c * 7919;
            while Instant::now() < end {
                n = n.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let id = RecordId::new(format!("user-{}", (n >> 33) % 20_000)).unwrap();
                let namespace = Namespace::new("bench").unwrap();
                let now = Timestamp::from_micros(1_700_000_000_000_000).unwrap();
                let k = Key::new(format!("profile-{}", (n >> 20) % 4)).unwrap();
                if kind == 0 {
                    let item = NewItem { key: k, value: vec![7u8; 200].into(), content_type: "application/json".into(), compression: 0 };
                    store.put(Put { namespace, id, items: vec![item], token: 0, expires_at: None, preconditions: vec![], now }).await.unwrap();
                } else {
                    store.get(Get { namespace, id, predicate: Predicate::keys([k]).unwrap(), selection: Selection::default(), after: None, now }).await.unwrap();
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for t in tasks { t.await.unwrap(); }
    let done = done.load(Ordering::Relaxed);
    println!("{name} callers={callers}: {}/s, {:.1} us CPU each", done / 4, (cpu() - before) * 1e6 / done as f64);
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let folder = tempfile::TempDir::new_in(".").unwrap();
    let mut options = Options::new(folder.path().join("x.db"));
    if let Ok(r) = std::env::var("READERS") { options.readers = r.parse().unwrap(); }
    let store = Arc::new(Sqlite::open(options).await.unwrap());
    for callers in [1, 16, 64, 256, 256] { run("put", callers, store.clone(), 0).await; }
    if std::env::var("PUTS").is_ok() { return; }
    for callers in [1, 16, 64, 256] { run("get", callers, store.clone(), 1).await; }
    store.close().await;
}
