//! The same random operations on SQLite and Postgres: all answers must be equal, versions by their order.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use prism_backends::{Postgres, Sqlite};
use prism_contract::keyvalue::{
    Delete, EntryPage, Expected, Get, ItemPage, Key, KeyValueBackend, Precondition, Predicate, Put, RecordId,
    Scan, Selection,
};
use prism_contract::{Error, Lifecycle, Namespace};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::common::sequences::{RETENTION, Step, Timed, Write, Written, sequences, timed, write};
use crate::common::{self, at};
use crate::test_db::TestDb;

type ItemKey = (Namespace, RecordId, Key);

/// Maps SQLite's versions to Postgres' versions of the same writes, per item.
#[derive(Default)]
struct Versions(HashMap<ItemKey, Vec<(i64, i64)>>);

impl Versions {
    /// Records both stores' versions of a write of this item. Each must be above all earlier ones (VER-1).
    fn record(&mut self, item_key: ItemKey, sqlite: i64, postgres: i64) {
        let known = self.0.entry(item_key).or_default();
        if let Some(&(last_sqlite, last_postgres)) = known.last() {
            assert!(sqlite > last_sqlite && postgres > last_postgres, "a version does not increase");
        }
        known.push((sqlite, postgres));
    }

    /// Postgres' version for SQLite's; `i64::MAX` if there is none, and 0 for 0.
    fn of(&self, item_key: &ItemKey, sqlite: i64) -> i64 {
        if sqlite == 0 {
            return 0;
        }
        let known = self.0.get(item_key).into_iter().flatten();
        known.clone().find(|(known, _)| *known == sqlite).map_or(i64::MAX, |(_, postgres)| *postgres)
    }
}

struct Pair {
    sqlite: Sqlite,
    postgres: Postgres,
    versions: Versions,
    operations: usize,
}

impl Pair {
    /// Reads every page of each Get; the Gets of one round are queued together.
    async fn gets(&mut self, mut gets: Vec<Get>) {
        while !gets.is_empty() {
            let ours = join_all(gets.iter().map(|get| self.postgres.get(get))).await;
            let theirs = join_all(gets.iter().map(|get| self.sqlite.get(get))).await;
            let mut next = Vec::new();
            for ((get, ours), theirs) in gets.into_iter().zip(ours).zip(theirs) {
                let theirs = theirs.unwrap();
                let mut expected = theirs.clone();
                for item in &mut expected.items {
                    let item_key = (get.namespace.clone(), get.id.clone(), item.key.clone());
                    item.version = self.versions.of(&item_key, item.version);
                }
                assert_eq!(ours.unwrap(), expected);
                self.operations += 1;
                let ItemPage { items, more } = theirs;
                if more {
                    next.push(Get { after: items.last().map(|item| item.key.clone()), ..get });
                }
            }
            gets = next;
        }
    }

    async fn scan(&mut self, mut scan: Scan) {
        loop {
            let (ours, theirs) =
                (self.postgres.scan(&scan).await.unwrap(), self.sqlite.scan(&scan).await.unwrap());
            let mut expected = theirs.clone();
            for entry in &mut expected.entries {
                let item_key = (scan.namespace.clone(), entry.id.clone(), entry.item.key.clone());
                entry.item.version = self.versions.of(&item_key, entry.item.version);
            }
            assert_eq!(ours, expected);
            self.operations += 1;
            let EntryPage { entries, more } = theirs;
            if !more {
                return;
            }
            scan.after = entries.last().map(prism_contract::keyvalue::Entry::position);
        }
    }

    /// Executes writes, queued together unless one has a precondition on a version that another might assign.
    async fn writes(&mut self, writes: Vec<Write>) {
        let alone = writes
            .iter()
            .any(|write| preconditions(write).iter().any(|precondition| version_of(precondition) > 0));
        let size = if alone { 1 } else { writes.len().max(1) };
        for chunk in writes.chunks(size) {
            let ours = chunk.iter().map(|one| write(&self.postgres, self.for_postgres(one)));
            let theirs = chunk.iter().map(|one| write(&self.sqlite, one.clone()));
            let (ours, theirs) = (join_all(ours).await, join_all(theirs).await);
            for ((one, ours), theirs) in chunk.iter().zip(ours).zip(theirs) {
                self.same(one, ours, theirs);
                self.operations += 1;
            }
        }
    }

    /// The same write, with Postgres' versions in its preconditions.
    fn for_postgres(&self, write: &Write) -> Write {
        let (namespace, id) = record(write);
        let preconditions = preconditions(write).iter().map(|precondition| {
            let version = self
                .versions
                .of(&(namespace.clone(), id.clone(), precondition.key.clone()), version_of(precondition));
            Precondition::new(precondition.key.clone(), version).unwrap()
        });
        let preconditions = preconditions.collect();
        match write.clone() {
            Write::Put(put) => Write::Put(Put { preconditions, ..put }),
            Write::Delete(delete) => Write::Delete(Delete { preconditions, ..delete }),
        }
    }

    fn same(&mut self, write: &Write, ours: Result<Written, Error>, theirs: Result<Written, Error>) {
        let (namespace, id) = record(write);
        let item_key = |key: &Key| (namespace.clone(), id.clone(), key.clone());
        match (ours, theirs) {
            (Ok(Written::Put(ours)), Ok(Written::Put(theirs))) => {
                let Write::Put(put) = write else { panic!("a Delete was answered as a Put") };
                assert_eq!(ours.len(), theirs.len());
                for ((item, ours), theirs) in put.items.iter().zip(ours).zip(theirs) {
                    assert_eq!(ours.applied, theirs.applied, "{:?} of {put:?}", item.key);
                    if ours.applied {
                        self.versions.record(item_key(&item.key), theirs.version, ours.version);
                    } else {
                        assert_eq!(ours.version, self.versions.of(&item_key(&item.key), theirs.version));
                    }
                }
            }
            (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{write:?}"),
            (Err(Error::PreconditionFailed(ours)), Err(Error::PreconditionFailed(mut theirs))) => {
                for failure in &mut theirs {
                    failure.current_version = self
                        .versions
                        .of(&item_key(&Key::new(failure.key.clone()).unwrap()), failure.current_version);
                }
                assert_eq!(ours, theirs, "{write:?}");
            }
            (ours, theirs) => panic!("Postgres answered {ours:?}, SQLite {theirs:?} to {write:?}"),
        }
    }
}

fn preconditions(write: &Write) -> &[Precondition] {
    match write {
        Write::Put(put) => &put.preconditions,
        Write::Delete(delete) => &delete.preconditions,
    }
}

/// The version that a precondition requires; 0: absence.
fn version_of(precondition: &Precondition) -> i64 {
    match precondition.expected {
        Expected::Absent => 0,
        Expected::At(version) => version.get(),
    }
}

fn record(write: &Write) -> (Namespace, RecordId) {
    match write {
        Write::Put(put) => (put.namespace.clone(), put.id.clone()),
        Write::Delete(delete) => (delete.namespace.clone(), delete.id.clone()),
    }
}

/// Runs one sequence on new stores; returns its number of operations.
async fn run(sequence: Vec<Timed>) -> usize {
    let Some(db) = TestDb::new("a sequence").await else { return 0 };
    let retention = Duration::from_micros(RETENTION);
    let file = common::TestDb::new();
    let mut sqlite = file.options();
    sqlite.retention = retention;
    let mut postgres = db.options();
    postgres.retention = retention;
    let mut pair = Pair {
        sqlite: Sqlite::open(sqlite.clone()).await.unwrap(),
        postgres: Postgres::open(postgres.clone()).await.unwrap(),
        versions: Versions::default(),
        operations: 0,
    };
    let mut clock = 1_000;
    for (passed, step) in sequence {
        clock += passed;
        let now = at(clock);
        match step {
            Step::Writes(writes) => {
                pair.writes(writes.into_iter().map(|write| timed(write, now)).collect()).await;
            }
            Step::Gets(gets) => {
                pair.gets(gets.into_iter().map(|get| Get { now, ..get }).collect()).await;
            }
            Step::Scan(scan) => pair.scan(Scan { now, ..scan }).await,
            Step::Sweep => {
                assert_eq!(pair.postgres.sweep(now).await.unwrap(), pair.sqlite.sweep(now).await.unwrap());
                pair.operations += 1;
            }
            Step::Reopen => {
                pair.postgres.close().await;
                pair.sqlite.close().await;
                pair.sqlite = Sqlite::open(sqlite.clone()).await.unwrap();
                pair.postgres = Postgres::open(postgres.clone()).await.unwrap();
            }
        }
    }
    for namespace in ["n", "n.n"] {
        let (namespace, predicate) = (Namespace::new(namespace).unwrap(), Predicate::All);
        let (selection, now) = (Selection::default(), at(clock));
        pair.scan(Scan { namespace, id: None, predicate, selection, after: None, now }).await;
    }
    pair.postgres.close().await;
    pair.sqlite.close().await;
    pair.operations
}

/// Runs `PROPTEST_CASES` sequences, or a few; a run with few operations fails.
fn run_sequences(test: &str, sweeps: bool) {
    if prism_testkit::skips(prism_testkit::Backend::Postgres, test) {
        return;
    }
    let cases =
        if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 16 };
    let mut runner =
        TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let operations = std::cell::Cell::new(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runner.run(&sequences(sweeps), |sequence| {
        operations.set(operations.get() + runtime.block_on(run(sequence)));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    // Shown with --nocapture.
    let counted = format!("{} operations in {cases} sequences\n", operations.get());
    std::io::Write::write_all(&mut std::io::stderr(), counted.as_bytes()).unwrap();
    assert!(operations.get() > 10 * cases as usize, "only {} operations", operations.get());
}

#[test]
fn postgres_answers_like_sqlite_while_the_clock_jumps() {
    run_sequences("postgres_answers_like_sqlite_while_the_clock_jumps", false);
}

#[test]
fn postgres_answers_like_sqlite_with_sweeps() {
    run_sequences("postgres_answers_like_sqlite_with_sweeps", true);
}
