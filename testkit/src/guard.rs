//! RAII guards of a per-test schema and database, dropped with the value, also when the test panics.
//!
//! A schema in the run's database is left alone, since dropping it would cost some 30 ms and the database goes with the run.
//! In a database that the run did not create, it is dropped before `drop` returns. A database is dropped to save disk space:
//! in the background on the run's server, before `drop` returns on an external one.

use std::sync::Arc;

use url::Url;

use crate::runtime;
use crate::server::Inner;

/// A per-test schema.
#[derive(Debug)]
pub struct Schema {
    server: Arc<Inner>,
    name: String,
    url: Url,
}

/// A per-test database.
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

    /// The URL of the database, with `search_path` set to this schema alone.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Its name: ASCII letters, digits and underscores, at most 63 bytes.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Database {
    pub(crate) fn new(server: Arc<Inner>, name: String, url: Url) -> Self {
        Self { server, name, url }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Its name: ASCII letters, digits and underscores, at most 63 bytes.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        if self.server.outlives_schemas() {
            let sql = format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE", self.name);
            runtime::block_on_testkit_runtime(execute(Arc::clone(&self.server), sql));
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.name);
        let drop_database = execute(Arc::clone(&self.server), sql);
        if self.server.is_external() {
            runtime::block_on_testkit_runtime(drop_database);
        } else {
            drop(runtime::spawn(drop_database));
        }
    }
}

async fn execute(server: Arc<Inner>, sql: String) {
    if let Err(error) = server.session.execute(&sql).await {
        // It does not affect the test's outcome, and the next run cleans up.
        crate::report(&format!("{sql}: {error}"));
    }
}
