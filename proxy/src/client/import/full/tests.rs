//! A full import's promises: everything but the version comes out as it was, and the versions in their order.

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

use super::order::Restore;
use super::place::{Places, Trouble};
use super::survey::{Items, Refused, Surveyor, survey};
use crate::client::jsonl::full_line;

/// The reference backend behind a way on which writes overtake one another, and that is away now and then.
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
        let done = self.memory.put(put).await;
        // Done, and its answer lost.
        if number % 7 == 3 { Err(Error::unavailable("told to")) } else { done }
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

/// What a store holds at `now`, in the order of ids and keys.
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
    assert!(!page.more, "a test holds no more than a page");
    page.entries
}

fn by_version(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_key(|entry| entry.item.version);
    entries
}

/// The entries with their versions counted from 1 in their order: what two stores have in common.
fn ranked(entries: Vec<Entry>) -> Vec<Entry> {
    let mut ranked = by_version(entries);
    for (rank, entry) in (1..).zip(&mut ranked) {
        entry.item.version = rank;
    }
    ranked
}

fn restore(store: &Store, most: usize) -> Restore<'_> {
    let places = Places { backend: store, namespace: namespace(), retry_for: Duration::from_secs(30) };
    Restore::new(places, most)
}

/// Restores entries in windows as an import does.
async fn restored(store: &Store, entries: &[Entry], most: usize) -> u64 {
    let mut restore = restore(store, most);
    let mut rest = entries;
    while !rest.is_empty() {
        let (window, after) = rest.split_at(restore.width().min(rest.len()));
        for fate in restore.write(window).await {
            fate.unwrap();
        }
        rest = after;
    }
    restore.late
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let builder = &mut tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(test)
}

/// A write at the source: which of a few items, whether it is a delete, its token, its ttl, and how much later it comes.
type Said = (usize, bool, i64, Option<i64>, i64);

async fn write(store: &Memory, now: i64, (item, is_delete, token, ttl, _): Said) {
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
    fn everything_but_the_version_comes_out_as_it_was_and_versions_keep_their_order(
        writes in prop::collection::vec(
            // A clock that goes back is a gateway whose clock is behind.
            (0..4_usize, prop::bool::weighted(0.2), 0..4_i64, prop::option::of(1..2_000_i64), -500..1_000_i64), 1..40),
        most in 1..6_usize,
    ) {
        run(async {
            let (source, target) = (Memory::default(), Store::default());
            let (mut now, mut latest) = (10_000, 10_000);
            for said in writes {
                now += said.4;
                latest = latest.max(now);
                write(&source, now, said).await;
            }
            let exported = by_version(content(&source, latest).await);
            restored(&target, &exported, most).await;
            prop_assert_eq!(ranked(content(&target, latest).await), ranked(exported));
            Ok(())
        })?;
    }

    #[test]
    fn an_import_that_was_stopped_at_any_write_is_gone_on_with_to_the_same_end(survive in 0..40_usize) {
        run(async {
            let (source, target) = (Memory::default(), Store::default());
            for (item, round) in (0..4).cycle().zip(0..12) {
                write(&source, 1_000 + round * 10, (item, false, round % 3, Some(100_000), 0)).await;
            }
            let exported = by_version(content(&source, 2_000).await);
            let mut first = restore(&target, 3);
            tokio::select! {
                biased;
                () = async { while target.puts.load(Ordering::SeqCst) < survive { tokio::time::sleep(Duration::from_millis(1)).await } } => {}
                fates = first.write(&exported) => assert!(fates.iter().all(Result::is_ok), "{fates:?}"),
            }
            restored(&target, &exported, 3).await;
            prop_assert_eq!(ranked(content(&target, 2_000).await), ranked(exported));
            Ok(())
        })?;
    }
}

#[test]
fn items_whose_versions_do_not_rise_are_written_again() {
    run(async {
        let (source, target) = (Memory::default(), Store::default());
        for item in 0..30 {
            source.put(put("x", &format!("{item:02}"), 1_000 + item)).await.unwrap();
        }
        let exported = by_version(content(&source, 2_000).await);
        assert!(restored(&target, &exported, 8).await > 0, "nothing was overtaken, so nothing was shown");
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
        restored(&target, &exported, 8).await;
        assert_eq!(ranked(content(&target, 600).await), ranked(exported));
        assert_eq!(content(&target, 900).await, []);
    });
}

#[test]
fn a_token_that_came_along_still_refuses_a_late_retry() {
    run(async {
        let (source, target) = (Memory::default(), Store::default());
        source.put(Put { token: 5, ..put("x", "k", 1_000) }).await.unwrap();
        source.put(put("x", "k", 1_500)).await.unwrap();
        restored(&target, &content(&source, 2_000).await, 8).await;
        let retried = target.memory.put(Put { token: 5, ..put("x", "k", 3_000) }).await.unwrap();
        assert!(!retried[0].applied);
    });
}

/// Why the only item was not written.
async fn refusal(target: &Store, exported: &[Entry]) -> String {
    match restore(target, 8).write(exported).await.remove(0) {
        Err(Trouble::Item(why)) => why,
        fate => panic!("{fate:?}"),
    }
}

#[test]
fn an_item_that_differs_from_what_the_database_holds_is_refused_and_left_alone() {
    run(async {
        let (source, target) = (Memory::default(), Store::default());
        source.put(put("x", "k", 1_000)).await.unwrap();
        target.memory.put(put("x", "k", 1_001)).await.unwrap();
        let before = content(&target, 2_000).await;
        let why = refusal(&target, &content(&source, 2_000).await).await;
        assert!(
            why.starts_with(
                "the database holds another 'k' of 'x' already (version 1, written 1970-01-01T00:00:00.001001Z); "
            ),
            "{why}"
        );
        assert_eq!(content(&target, 2_000).await, before);
    });
}

#[test]
fn a_higher_token_that_the_database_remembers_is_not_passed_over() {
    run(async {
        let (source, target) = (Memory::default(), Store::default());
        source.put(Put { token: 5, ..put("x", "k", 1_000) }).await.unwrap();
        write(&target.memory, 1_500, (0, true, 5, None, 0)).await;
        let mut exported = content(&source, 2_000).await;
        exported[0].item.key = Key::new("a").unwrap();
        let why = refusal(&target, &exported).await;
        assert!(
            why.starts_with("the database remembers a priority token of 'a' of 'x' that is not lower than 5"),
            "{why}"
        );
        assert_eq!(content(&target, 2_000).await, []);
    });
}

#[derive(Default)]
struct Heard(BTreeMap<u64, String>);

impl Surveyor for Heard {
    fn bad_line(&mut self, line: u64, why: &str) -> bool {
        self.0.insert(line, why.to_owned());
        true
    }

    fn moved(&mut self, _bytes: u64, _lines: u64, _items: u64) {}
}

#[test]
fn items_are_read_in_the_order_of_their_versions_wherever_they_stand() {
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
        let mut heard = Heard::default();
        let index = survey(std::io::BufReader::new(file.reopen().unwrap()), &mut heard).unwrap();
        assert_eq!(heard.0.into_keys().collect::<Vec<_>>(), [1]);
        assert_eq!((index.len(), index.skipped), (3, 1));
        let mut items = Items::open(file.path()).unwrap();
        let read: Vec<_> = (0..3).map(|place| items.read(&index, place).unwrap().0).collect();
        assert_eq!(read, by_version(entries));
        assert_eq!((0..3).map(|place| index.line(place)).collect::<Vec<_>>(), [4, 3, 2]);
        file.as_file().set_len(10).unwrap();
        let cut = Items::open(file.path()).unwrap().read(&index, 2);
        assert_eq!(cut.unwrap_err().to_string(), "it changed while it was imported");
    });
}

/// Takes no bad line.
struct Strict;

impl Surveyor for Strict {
    fn bad_line(&mut self, _line: u64, _why: &str) -> bool {
        false
    }

    fn moved(&mut self, _bytes: u64, _lines: u64, _items: u64) {}
}

#[test]
fn a_bad_line_ends_a_survey_that_is_to_stop_there() {
    match survey(&b"{}\n"[..], &mut Strict) {
        Err(Refused::Line { line: 1, why }) => assert!(why.starts_with("missing field `id`"), "{why}"),
        other => panic!("{other:?}"),
    }
}
