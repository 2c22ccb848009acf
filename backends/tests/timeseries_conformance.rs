//! The TimeSeries suite against the databases in process: a separate file or schema per case.

use std::num::NonZero;
use std::sync::Arc;

use prism_backends::{Postgres, Sqlite, postgres, sqlite};
use prism_conformance::OpenError;
use prism_conformance::timeseries::{Governed, InProcess};
use prism_testkit::{Backend, LazySchema, left_out};
use tempfile::TempDir;

prism_conformance::timeseries_conformance!(
    InProcess::durable("sqlite", || tempfile::tempdir().map_err(OpenError::new), open_sqlite)
        .with_settings(|sqlite: Arc<Governed<Sqlite>>| async move {
            let settings = sqlite.backend().settings().await.map_err(OpenError::new)?;
            Ok((settings.are_durable(), settings.to_string()))
        })
        .with_gateways(NonZero::new(2).expect("2 is not 0"))
        .leaving_out(left_out(Backend::Sqlite)),
    InProcess::durable("postgres", || Ok(LazySchema::new()), open_postgres)
        .with_settings(|postgres: Arc<Governed<Postgres>>| async move {
            let settings = postgres.backend().settings().await.map_err(OpenError::new)?;
            Ok((settings.are_durable(), settings.to_string()))
        })
        .with_gateways(NonZero::new(2).expect("2 is not 0"))
        .leaving_out(left_out(Backend::Postgres)),
);

async fn open_sqlite(folder: Arc<TempDir>) -> Result<Sqlite, OpenError> {
    Sqlite::open(sqlite::Options::new(folder.path().join("prism.db"))).await.map_err(OpenError::new)
}

async fn open_postgres(schema: Arc<LazySchema>) -> Result<Postgres, OpenError> {
    let url = schema.url().await.map_err(OpenError::new)?;
    Postgres::open(postgres::Options::new(url)).await.map_err(OpenError::new)
}
