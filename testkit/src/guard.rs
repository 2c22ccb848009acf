//! A schema and a database of a test's own, dropped with the value, also when the test panics.
//!
//! In a database that goes with the run, dropping a schema would only cost time (some 30 ms): it is left. In one that
//! somebody else made, it is dropped before `drop` returns. A database is dropped for the sake of the disk: without waiting
//! on a server that goes with the run, before `drop` returns on one that somebody runs.

use std::sync::Arc;

use url::Url;

use crate::runtime;
use crate::server::Inner;

/// A schema of a test's own.
#[derive(Debug)]
pub struct Schema {
    server: Arc<Inner>,
    name: String,
    url: Url,
}

/// A database of a test's own.
#[derive(Debug)]
pub struct Database {
    server: Arc<Inner>,
    name: String,
    url: Url,
}

impl Schema {
    pub(crate) fn new(server: Arc<Inner>, name: String, url: Url) -> Self {
        Self { server, name, url }
    }

    /// The address of the database, with sessions whose `search_path` is this schema alone.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Its name: letters of ASCII, digits and underscores, at most 63 bytes.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Database {
    pub(crate) fn new(server: Arc<Inner>, name: String, url: Url) -> Self {
        Self { server, name, url }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Its name: letters of ASCII, digits and underscores, at most 63 bytes.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        if self.server.outlives_schemas() {
            let sql = format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE", self.name);
            runtime::wait_on_own_runtime(dropped(Arc::clone(&self.server), sql));
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.name);
        let dropped = dropped(Arc::clone(&self.server), sql);
        if self.server.given() {
            runtime::wait_on_own_runtime(dropped);
        } else {
            drop(runtime::spawn(dropped));
        }
    }
}

async fn dropped(server: Arc<Inner>, sql: String) {
    if let Err(error) = server.session.execute(&sql).await {
        // A test's outcome is not changed by it, and the next run clears it away.
        crate::say(&format!("{sql}: {error}"));
    }
}
