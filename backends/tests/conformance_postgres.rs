//! dev
use prism_backends::postgres::{Options, Postgres};
use prism_conformance::{InProcess, OpenError};
use sqlx::{AssertSqlSafe, Connection, Executor};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

struct Place {
    name: String,
}
static N: AtomicU64 = AtomicU64::new(0);

prism_conformance::conformance!(InProcess::durable(
    "postgres",
    || Ok(Place { name: format!("t{}_{}", std::process::id(), N.fetch_add(1, Ordering::Relaxed)) }),
    |place: Arc<Place>| async move {
        let url = std::env::var("PRISM_TEST_POSTGRES_URL").map_err(OpenError::new)?;
        let mut c = sqlx::PgConnection::connect(&url).await.map_err(OpenError::new)?;
        c.execute(sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {}", place.name))))
            .await
            .map_err(OpenError::new)?;
        let url = format!("{url}?options=-csearch_path%3D{}", place.name);
        Postgres::open(Options::new(url)).await.map_err(OpenError::new)
    },
));
