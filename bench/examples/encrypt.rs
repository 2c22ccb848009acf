//! The cost of encryption: `encrypt [ROUNDS]`. First what it adds to a call on a store in memory, for one item and for a page
//! of items; then the throughput of SQLite with and without it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use prism_backends::wrap::Encrypt;
use prism_backends::wrap::encrypt::{KeyRing, MasterKey};
use prism_backends::{Sqlite, sqlite};
use prism_contract::keyvalue::{
    Get, Key, KeyValueBackend, Memory, NewItem, Predicate, Put, RecordId, Selection,
};
use prism_contract::{Lifecycle, Namespace, Timestamp};

/// Number of concurrent requests to SQLite.
const CONCURRENCY: usize = 64;
/// Measurements of each kind, alternating; the fastest counts, because the machine may be busy.
const REPEATS: usize = 7;

#[expect(clippy::print_stdout, reason = "prints its measurements")]
fn main() {
    let rounds = std::env::args().nth(1).map_or(20_000, |rounds| rounds.parse().expect("a number of rounds"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        println!("added to a call on a store in memory, in ns per item:");
        for (items, value) in [(1, 100), (1, 64 << 10), (1_000, 100)] {
            let rounds = rounds / if items * value > 10_000 { 20 } else { 1 };
            let (put, get) = added(items, value, rounds).await;
            let ns = |time: Duration| time.as_nanos() / (rounds * items) as u128;
            println!("  {items:>4} items of {value:>5} bytes: put {:>6}, get {:>6}", ns(put), ns(get));
        }
        println!("requests per second of SQLite, {CONCURRENCY} at a time, one item each:");
        for value in [100, 4 << 10] {
            for (name, read) in [("put", false), ("get", true)] {
                let [plain, encrypted] = throughput(value, read, rounds / CONCURRENCY).await;
                let ratio = 100.0 * encrypted / plain;
                println!("  {name} of {value:>4} bytes: plain {plain:>7.0}, encrypted {encrypted:>7.0}, {ratio:.1} %");
            }
        }
    });
}

fn encrypted(store: Arc<dyn KeyValueBackend>) -> Arc<dyn KeyValueBackend> {
    let key = MasterKey::from_base64("k1", &STANDARD.encode([7; 32])).expect("a key");
    Arc::new(Encrypt::new(store, Arc::new(KeyRing::new(vec![Arc::new(key)], "k1").expect("a ring"))))
}

fn put(id: usize, items: usize, value: usize) -> Put {
    let item = |number: usize| NewItem {
        key: Key::new(format!("{number:04}")).expect("a key"),
        value: vec![b'v'; value].into(),
        content_type: "application/json".to_owned(),
        compression: 0,
    };
    Put {
        namespace: Namespace::new("bench").expect("a namespace"),
        id: RecordId::new(format!("r{id}")).expect("an id"),
        items: (0..items).map(item).collect(),
        token: 0,
        expires_at: None,
        preconditions: Vec::new(),
        now: Timestamp::EPOCH,
    }
}

fn get(id: usize) -> Get {
    let Put { namespace, id, now, .. } = put(id, 0, 0);
    Get { namespace, id, predicate: Predicate::All, selection: Selection::default(), after: None, now }
}

/// The time that encryption adds to Puts and to Gets.
async fn added(items: usize, value: usize, rounds: usize) -> (Duration, Duration) {
    let plain: Arc<dyn KeyValueBackend> = Arc::new(Memory::default());
    let stores = [Arc::clone(&plain), encrypted(Arc::new(Memory::default()))];
    let mut best = [[Duration::MAX; 2]; 2];
    for _ in 0..REPEATS {
        for (store, best) in stores.iter().zip(&mut best) {
            let puts: Vec<_> = (0..rounds).map(|_| put(0, items, value)).collect();
            let start = Instant::now();
            for put in puts {
                store.put(put).await.expect("a Put succeeds");
            }
            best[0] = best[0].min(start.elapsed());
            let get = get(0);
            let start = Instant::now();
            for _ in 0..rounds {
                assert_eq!(store.get(&get).await.expect("a Get succeeds").items.len(), items);
            }
            best[1] = best[1].min(start.elapsed());
        }
    }
    let [plain, encrypted] = best;
    (encrypted[0].saturating_sub(plain[0]), encrypted[1].saturating_sub(plain[1]))
}

/// Requests per second without and with encryption.
async fn throughput(value: usize, read: bool, rounds: usize) -> [f64; 2] {
    let folder = tempfile::tempdir().expect("a folder");
    let open = async |name: &str| -> Arc<dyn KeyValueBackend> {
        let options = sqlite::Options::new(folder.path().join(name));
        let backend = Arc::new(Sqlite::open(options).await.expect("the file opens"));
        backend as Arc<dyn KeyValueBackend>
    };
    let stores = [open("plain.db").await, encrypted(open("encrypted.db").await)];
    for store in &stores {
        join_all((0..CONCURRENCY * 16).map(|id| store.put(put(id, 1, value)))).await;
    }
    let mut best = [Duration::MAX; 2];
    for _ in 0..REPEATS {
        for (store, best) in stores.iter().zip(&mut best) {
            let start = Instant::now();
            for round in 0..rounds {
                let ids = (0..CONCURRENCY).map(|at| round % 16 * CONCURRENCY + at);
                if read {
                    let gets: Vec<_> = ids.map(get).collect();
                    let pages = join_all(gets.iter().map(|get| store.get(get))).await;
                    assert!(pages.iter().all(|page| page.as_ref().is_ok_and(|page| page.items.len() == 1)));
                } else {
                    let results = join_all(ids.map(|id| store.put(put(id, 1, value)))).await;
                    assert!(results.iter().all(Result::is_ok));
                }
            }
            *best = (*best).min(start.elapsed());
        }
    }
    for store in &stores {
        store.close().await;
    }
    let requests = f64::from(u32::try_from(rounds * CONCURRENCY).expect("fewer than 2^32 requests"));
    best.map(|time| requests / time.as_secs_f64())
}
