//! Helpers of the backends' tests: SQLite in a temporary folder, and constructors of requests.

#![allow(dead_code, reason = "each test binary uses a part of this")]

pub(crate) mod batched_reads;
pub(crate) mod databases;
pub(crate) mod sequences;
pub(crate) mod sweeps;

use std::path::PathBuf;

use bytes::Bytes;
use prism_backends::Sqlite;
use prism_backends::sqlite::Options;
use prism_contract::keyvalue::{
    Delete, Get, Key, NewItem, Precondition, Predicate, Put, RecordId, Scan, Selection,
};
use prism_contract::{Namespace, Timestamp};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tempfile::TempDir;

/// A SQLite database in a temporary folder, which is removed on drop.
pub(crate) struct TestDb {
    pub(crate) folder: TempDir,
}

impl TestDb {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("prism.db")
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(self.path())
    }

    pub(crate) async fn open(&self) -> Sqlite {
        Sqlite::open(self.options()).await.expect("the file opens")
    }

    /// A connection of another application.
    pub(crate) async fn other_client(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path()).create_if_missing(true);
        options.connect().await.expect("a connection")
    }
}

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).expect("a time")
}

pub(crate) fn key(bytes: impl Into<Bytes>) -> Key {
    Key::new(bytes).expect("a key")
}

pub(crate) fn namespace() -> Namespace {
    Namespace::new("ns").expect("a namespace")
}

pub(crate) fn record(id: &str) -> RecordId {
    RecordId::new(id).expect("an id")
}

pub(crate) fn item(name: impl Into<Bytes>, value: impl Into<Bytes>) -> NewItem {
    NewItem { key: key(name), value: value.into(), content_type: String::new(), compression: 0 }
}

/// A Put of one item into the record `r`.
pub(crate) fn put(name: impl Into<Bytes>, value: impl Into<Bytes>) -> Put {
    put_items(vec![item(name, value)])
}

/// A Put into the record `r`.
pub(crate) fn put_items(items: Vec<NewItem>) -> Put {
    Put {
        namespace: namespace(),
        id: record("r"),
        items,
        token: 0,
        expires_at: None,
        preconditions: Vec::new(),
        now: at(1_000),
    }
}

/// A Delete from the record `r`.
pub(crate) fn delete(predicate: Predicate) -> Delete {
    Delete {
        namespace: namespace(),
        id: record("r"),
        predicate,
        token: 0,
        preconditions: Vec::new(),
        now: at(1_000),
    }
}

/// A Get of the record `r`.
pub(crate) fn get(predicate: Predicate) -> Get {
    Get {
        namespace: namespace(),
        id: record("r"),
        predicate,
        selection: Selection::default(),
        after: None,
        now: at(1_000),
    }
}

/// A Scan of the whole namespace.
pub(crate) fn scan(predicate: Predicate) -> Scan {
    Scan {
        namespace: namespace(),
        id: None,
        predicate,
        selection: Selection::default(),
        after: None,
        now: at(1_000),
    }
}

pub(crate) fn precondition(name: &'static str, version: i64) -> Precondition {
    Precondition::new(key(name), version).expect("a precondition")
}
