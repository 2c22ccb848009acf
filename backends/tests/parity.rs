//! SQLite gives the same answers as the reference backend, for each operation, versions included.

mod common;

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use common::sequences::{RETENTION, Step, Timed, sequences, timed, write};
use common::{TestDb, at};
use futures::future::join_all;
use prism_backends::Sqlite;
use prism_contract::keyvalue::{Get, KeyValueBackend, Memory, Predicate, Scan, Selection};
use prism_contract::{Error, Lifecycle, Namespace};
use proptest::prelude::*;

/// Asserts equal answers; errors are compared by their details for clients.
fn same<T: PartialEq + std::fmt::Debug>(ours: Result<T, Error>, theirs: Result<T, Error>) {
    match (ours, theirs) {
        (Err(Error::PreconditionFailed(ours)), Err(Error::PreconditionFailed(theirs))) => {
            assert_eq!(ours, theirs);
        }
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs),
        (ours, theirs) => panic!("SQLite answered {ours:?}, the reference {theirs:?}"),
    }
}

/// Reads every page of each Get; the Gets of one round are queued together.
async fn get_all(ours: &Sqlite, theirs: &Memory, mut gets: Vec<Get>) {
    while !gets.is_empty() {
        let answers = join_all(gets.iter().map(|get| ours.get(get))).await;
        let mut next = Vec::new();
        for (get, answer) in gets.into_iter().zip(answers) {
            let page = theirs.get(&get).await.unwrap();
            same(answer, Ok(page.clone()));
            if page.more {
                next.push(Get { after: page.items.last().map(|item| item.key.clone()), ..get });
            }
        }
        gets = next;
    }
}

async fn scan_all(ours: &Sqlite, theirs: &Memory, mut scan: Scan) {
    loop {
        let page = theirs.scan(&scan).await.unwrap();
        same(ours.scan(&scan).await, Ok(page.clone()));
        if !page.more {
            return;
        }
        scan.after = page.entries.last().map(prism_contract::keyvalue::Entry::position);
    }
}

/// The order in which queued requests are served: round robin over namespaces.
fn round_robin<T>(queued: Vec<T>, namespace: impl Fn(&T) -> Namespace) -> Vec<T> {
    let mut queues: Vec<(Namespace, VecDeque<T>)> = Vec::new();
    for one in queued {
        let namespace = namespace(&one);
        match queues.iter_mut().find(|(known, _)| *known == namespace) {
            Some((_, queue)) => queue.push_back(one),
            None => queues.push((namespace, [one].into())),
        }
    }
    let mut served = Vec::new();
    while queues.iter().any(|(_, queue)| !queue.is_empty()) {
        served.extend(queues.iter_mut().filter_map(|(_, queue)| queue.pop_front()));
    }
    served
}

async fn run(sequence: Vec<Timed>) {
    let db = TestDb::new();
    let retention = Duration::from_micros(RETENTION);
    let mut options = db.options();
    options.retention = retention;
    let mut ours = Sqlite::open(options.clone()).await.unwrap();
    let theirs = Memory::new(retention);
    let mut clock = 1_000;
    for (passed, step) in sequence {
        clock += passed;
        let now = at(clock);
        match step {
            Step::Writes(writes) => {
                let writes: Vec<_> = writes.into_iter().map(|write| timed(write, now)).collect();
                // The first poll of each queues it, so they are queued in this order before any of them is served.
                let answers = join_all(writes.iter().map(|one| write(&ours, one.clone()))).await;
                let answered = answers.into_iter().zip(writes).collect();
                for (answer, one) in round_robin(answered, |(_, write)| write.namespace().clone()) {
                    same(answer, write(&theirs, one).await);
                }
            }
            Step::Gets(gets) => {
                let gets = gets.into_iter().map(|get| Get { now, ..get }).collect();
                get_all(&ours, &theirs, gets).await;
            }
            Step::Scan(scan) => scan_all(&ours, &theirs, Scan { now, ..scan }).await,
            Step::Sweep => {
                ours.sweep(now).await.unwrap();
                theirs.sweep(now).await.unwrap();
            }
            Step::Reopen => {
                ours.close().await;
                ours = Sqlite::open(options.clone()).await.unwrap();
            }
        }
    }
    for namespace in ["n", "n.n"] {
        let (namespace, predicate) = (Namespace::new(namespace).unwrap(), Predicate::All);
        let (selection, now) = (Selection::default(), at(clock));
        scan_all(&ours, &theirs, Scan { namespace, id: None, predicate, selection, after: None, now }).await;
    }
    ours.close().await;
}

/// A single-threaded runtime, so that writes queued together are served together.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_answers_like_the_reference_while_the_clock_jumps(sequence in sequences(false)) {
        block_on(run(sequence));
    }

    #[test]
    fn sqlite_answers_like_the_reference_with_sweeps(sequence in sequences(true)) {
        block_on(run(sequence));
    }
}
