//! Full import: everything but the version is restored exactly, and versions keep their order.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use prism_contract::keyvalue::{
    Delete, Entry, Key, KeyValueBackend, Memory, NewItem, Predicate, Put, PutResult, RecordId, Scan,
    Selection,
};
use prism_contract::{Error, Lifecycle, Namespace, Timestamp, forward};
use proptest::prelude::*;

use super::index::{IndexError, IndexObserver, Items, build_index};
use super::item_writer::{ItemWriter, WriteError};
use super::order::OrderedWriter;
use crate::client::jsonl::full_line;

/// The reference backend with reordered writes and injected lost responses.
#[derive(Default)]
struct Store {
    memory: Memory,
    puts: AtomicUsize,
}

impl Lifecycle for Store {
    forward!(Lifecycle: self => self.memory, [check, sweep, close]);
}

#[async_trait]
impl KeyValueBackend for Store {
    forward!(KeyValueBackend: self => self.memory, [capabilities, get, delete, scan]);

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        let number = self.puts.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis([9, 1, 5, 0, 7][number % 5])).await;
        let result = self.memory.put(put).await;
        // The write took effect, but its response is lost.
        if number % 7 == 3 { Err(Error::unavailable("injected")) } else { result }
    }
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

fn namespace() -> Namespace {
    Namespace::new("n").unwrap()
}

fn put(id: &str, key: &str, now: i64) -> Put {
    Put {
        namespace: namespace(),
        id: RecordId::new(id).unwrap(),
        items: vec![NewItem {
            key: Key::new(key.to_owned()).unwrap(),
            value: now.to_string().into(),
            content_type: "text/plain".to_owned(),
            compression: 2,
        }],
        token: 0,
        expires_at: None,
        preconditions: vec![],
        now: at(now),
    }
}

/// A store's content at `now`, in the order of ids and keys.
async fn content(store: &dyn KeyValueBackend, now: i64) -> Vec<Entry> {
    let scan = Scan {
        namespace: namespace(),
        id: None,
        predicate: Predicate::All,
        selection: Selection::default(),
        after: None,
        now: at(now),
    };
    let page = store.scan(&scan).await.unwrap();
    assert!(!page.more, "the content exceeds one page");
    page.entries
}

fn by_version(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_key(|entry| entry.item.version);
    entries
}

/// The entries with their versions replaced by ranks from 1, for comparing two stores.
fn ranked(entries: Vec<Entry>) -> Vec<Entry> {
    let mut ranked = by_version(entries);
    for (rank, entry) in (1..).zip(&mut ranked) {
        entry.item.version = rank;
    }
    ranked
}

fn ordered_writer(store: &Store, max_width: usize) -> OrderedWriter<'_> {
    let writer = ItemWriter { backend: store, namespace: namespace(), retry_for: Duration::from_secs(30) };
    OrderedWriter::new(writer, max_width)
}

/// Writes entries in windows as an import does; returns the number of rewritten items.
async fn import(store: &Store, entries: &[Entry], max_width: usize) -> u64 {
    let mut writer = ordered_writer(store, max_width);
    let mut rest = entries;
    while !rest.is_empty() {
        let (window, after) = rest.split_at(writer.width().min(rest.len()));
        for outcome in writer.write(window).await {
            outcome.unwrap();
        }
        rest = after;
    }
    writer.rewritten
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let builder = &mut tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(test)
}

/// A write at the source: the item's index, whether it is a delete, its token, its ttl, and the time since the last write.
type Operation = (usize, bool, i64, Option<i64>, i64);

async fn write(store: &Memory, now: i64, (item, is_delete, token, ttl, _): Operation) {
    let (id, key) = [("x", "a"), ("x", "b"), ("y", "a"), ("y", "c")][item];
    let put = Put { token, expires_at: ttl.map(|ttl| at(now + ttl)), ..put(id, key, now) };
    if is_delete {
        let predicate = Predicate::keys([put.items[0].key.clone()]).unwrap();
        let delete = Delete {
            namespace: namespace(),
            id: put.id,
            predicate,
            token,
            preconditions: vec![],
            now: put.now,
        };
        store.delete(delete).await.unwrap();
    } else {
        store.put(put).await.unwrap();
    }
}

proptest! {
    #[test]
    fn everything_but_the_version_is_restored_and_versions_keep_their_order(
        writes in prop::collection::vec(
            // Time that goes back models a gateway whose clock is behind.
            (0..4_usize, prop::bool::weighted(0.2), 0..4_i64, prop::option::of(1..2_000_i64), -500..1_000_i64), 1..40),
        max_width in 1..6_usize,
    ) {
        run(async {
            let (source, target) = (Memory::default(), Store::default());
            let (mut now, mut latest) = (10_000, 10_000);
            for operation in writes {
                now += operation.4;
                latest = latest.max(now);
                write(&source, now, operation).await;
            }
            let exported = by_version(content(&source, latest).await);
            import(&target, &exported, max_width).await;
            prop_assert_eq!(ranked(content(&target, latest).await), ranked(exported));
            Ok(())
        })?;
    }

    #[test]
    fn repeating_an_import_stopped_at_any_write_completes_it(survivors in 0..40_usize) {
        run(async {
            let (source, target) = (Memory::default(), Store::default());
            for (item, round) in (0..4).cycle().zip(0..12) {
                write(&source, 1_000 + round * 10, (item, false, round % 3, Some(100_000), 0)).await;
            }
            let exported = by_version(content(&source, 2_000).await);
            let mut first = ordered_writer(&target, 3);
            tokio::select! {
                biased;
                () = async { while target.puts.load(Ordering::SeqCst) < survivors { tokio::time::sleep(Duration::from_millis(1)).await } } => {}
                outcomes = first.write(&exported) => assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}"),
            }
            import(&target, &exported, 3).await;
            prop_assert_eq!(ranked(content(&target, 2_000).await), ranked(exported));
            Ok(())
        })?;
    }
}

#[test]
fn items_whose_versions_do_not_increase_are_written_again() {
    run(async {
        let (source, target) = (Memory::default(), Store::default());
        for item in 0..30 {
            source.put(put("x", &format!("{item:02}"), 1_000 + item)).await.unwrap();
        }
        let exported = by_version(content(&source, 2_000).await);
        assert!(import(&target, &exported, 8).await > 0, "no writes were reordered, so this proves nothing");
        assert_eq!(ranked(content(&target, 2_000).await), ranked(exported));
    });
}

#[test]
fn an_item_last_written_through_a_clock_that_was_behind_keeps_its_times_and_expiry() {
    run(async {
        let (source, target) = (Memory::default(), Store::default());
        source.put(put("x", "k", 1_000)).await.unwrap();
        source.put(Put { expires_at: Some(at(900)), ..put("x", "k", 500) }).await.unwrap();
        let exported = content(&source, 600).await;
        let times = [exported[0].item.created_at, exported[0].item.updated_at];
        assert_eq!((times, exported[0].item.expires_at), ([at(1_000); 2], Some(at(900))));
        import(&target, &exported, 8).await;
        assert_eq!(ranked(content(&target, 600).await), ranked(exported));
        assert_eq!(content(&target, 900).await, []);
    });
}

#[test]
fn an_imported_token_still_refuses_a_late_retry() {
    run(async {
        let (source, target) = (Memory::default(), Store::default());
        source.put(Put { token: 5, ..put("x", "k", 1_000) }).await.unwrap();
        source.put(put("x", "k", 1_500)).await.unwrap();
        import(&target, &content(&source, 2_000).await, 8).await;
        let retried = target.memory.put(Put { token: 5, ..put("x", "k", 3_000) }).await.unwrap();
        assert!(!retried[0].applied);
    });
}

/// The reason why the only item was refused.
async fn refusal(target: &Store, exported: &[Entry]) -> String {
    match ordered_writer(target, 8).write(exported).await.remove(0) {
        Err(WriteError::Item(why)) => why,
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn an_item_that_differs_from_the_existing_one_is_refused() {
    run(async {
        let (source, target) = (Memory::default(), Store::default());
        source.put(put("x", "k", 1_000)).await.unwrap();
        target.memory.put(put("x", "k", 1_001)).await.unwrap();
        let before = content(&target, 2_000).await;
        let why = refusal(&target, &content(&source, 2_000).await).await;
        assert!(
            why.starts_with(
                "the database already holds a different 'k' of 'x' (version 1, written 1970-01-01T00:00:00.001001Z); "
            ),
            "{why}"
        );
        assert_eq!(content(&target, 2_000).await, before);
    });
}

#[test]
fn a_higher_token_in_the_database_refuses_the_item() {
    run(async {
        let (source, target) = (Memory::default(), Store::default());
        source.put(Put { token: 5, ..put("x", "k", 1_000) }).await.unwrap();
        write(&target.memory, 1_500, (0, true, 5, None, 0)).await;
        let mut exported = content(&source, 2_000).await;
        exported[0].item.key = Key::new("a").unwrap();
        let why = refusal(&target, &exported).await;
        assert!(
            why.starts_with("the database holds a priority token for 'a' of 'x' that is not lower than 5"),
            "{why}"
        );
        assert_eq!(content(&target, 2_000).await, []);
    });
}

#[derive(Default)]
struct BadLines(BTreeMap<u64, String>);

impl IndexObserver for BadLines {
    fn bad_line(&mut self, line: u64, why: &str) -> bool {
        self.0.insert(line, why.to_owned());
        true
    }

    fn advanced(&mut self, _bytes: u64, _lines: u64, _items: u64) {}
}

#[test]
fn items_are_read_in_the_order_of_their_versions_regardless_of_file_order() {
    run(async {
        let source = Memory::default();
        for (id, now) in [("c", 1_000), ("a", 1_001), ("b", 1_002), ("a", 1_003)] {
            source.put(put(id, "k", now)).await.unwrap();
        }
        let entries = content(&source, 2_000).await;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"bad\n").unwrap();
        for entry in &entries {
            file.write_all(&full_line(entry)).unwrap();
        }
        let mut bad_lines = BadLines::default();
        let index = build_index(std::io::BufReader::new(file.reopen().unwrap()), &mut bad_lines).unwrap();
        assert_eq!(bad_lines.0.into_keys().collect::<Vec<_>>(), [1]);
        assert_eq!((index.len(), index.skipped), (3, 1));
        let mut items = Items::open(file.path()).unwrap();
        let read: Vec<_> = (0..3).map(|position| items.read(&index, position).unwrap().0).collect();
        assert_eq!(read, by_version(entries));
        assert_eq!((0..3).map(|position| index.line(position)).collect::<Vec<_>>(), [4, 3, 2]);
        file.as_file().set_len(10).unwrap();
        let truncated = Items::open(file.path()).unwrap().read(&index, 2);
        assert_eq!(truncated.unwrap_err().to_string(), "the file changed during the import");
    });
}

/// Stops at a bad line.
struct Strict;

impl IndexObserver for Strict {
    fn bad_line(&mut self, _line: u64, _why: &str) -> bool {
        false
    }

    fn advanced(&mut self, _bytes: u64, _lines: u64, _items: u64) {}
}

#[test]
fn a_bad_line_ends_the_first_pass_on_request() {
    match build_index(&b"{}\n"[..], &mut Strict) {
        Err(IndexError::Line { line: 1, why }) => assert!(why.starts_with("missing field `id`"), "{why}"),
        other => panic!("{other:?}"),
    }
}
