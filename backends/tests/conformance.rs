//! The conformance suite against SQLite, Postgres and the wrappers in process: a separate file or schema per case.

use std::num::NonZero;
use std::sync::Arc;

use prism_backends::wrap::encrypt::{KeyRing, MasterKey};
use prism_backends::wrap::{Encrypt, Route};
use prism_backends::{Postgres, Sqlite, postgres, sqlite};
use prism_conformance::OpenError;
use prism_conformance::keyvalue::InProcess;
use prism_contract::keyvalue::{KeyValueBackend, Memory};
use prism_testkit::{Backend, LazySchema, left_out};
use tempfile::TempDir;

prism_conformance::conformance!(
    InProcess::durable("sqlite", || tempfile::tempdir().map_err(OpenError::new), open_sqlite)
        .with_settings(|sqlite| async move {
            let settings = sqlite.settings().await.map_err(OpenError::new)?;
            Ok((settings.are_durable(), settings.to_string()))
        })
        .with_gateways(NonZero::new(2).expect("2 is not 0"))
        .leaving_out(left_out(Backend::Sqlite)),
    InProcess::durable("postgres", || Ok(LazySchema::new()), open_postgres)
        .with_settings(|postgres| async move {
            let settings = postgres.settings().await.map_err(OpenError::new)?;
            Ok((settings.are_durable(), settings.to_string()))
        })
        .with_gateways(NonZero::new(2).expect("2 is not 0"))
        .with_details(provider)
        .leaving_out(left_out(Backend::Postgres)),
    InProcess::new("route", open_route),
    InProcess::new("encrypt", async || Ok(encrypted(Memory::default()))),
    InProcess::durable(
        "encrypt-sqlite",
        || tempfile::tempdir().map_err(OpenError::new),
        async |folder| { open_sqlite(folder).await.map(encrypted) }
    )
    .with_gateways(NonZero::new(2).expect("2 is not 0"))
    .leaving_out(left_out(Backend::Sqlite)),
    InProcess::durable(
        "encrypt-postgres",
        || Ok(LazySchema::new()),
        async |schema| { open_postgres(schema).await.map(encrypted) }
    )
    .with_gateways(NonZero::new(2).expect("2 is not 0"))
    .leaving_out(left_out(Backend::Postgres)),
);

/// Encrypts a store. Every opening has another data key, as another gateway has.
fn encrypted(store: impl KeyValueBackend + 'static) -> Encrypt {
    let key =
        MasterKey::from_base64("k1", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=").expect("a valid key");
    Encrypt::new(Arc::new(store), Arc::new(KeyRing::new(vec![Arc::new(key)], "k1").expect("a valid ring")))
}

/// A router to two stores, each with half of the namespaces.
async fn open_route() -> Result<Route, OpenError> {
    let stores = [(); 2].map(|()| Arc::new(Memory::default()) as Arc<dyn KeyValueBackend>);
    Ok(Route::new(stores.into(), |namespace| namespace.as_str().bytes().map(usize::from).sum::<usize>() % 2))
}

async fn open_sqlite(folder: Arc<TempDir>) -> Result<Sqlite, OpenError> {
    Sqlite::open(sqlite::Options::new(folder.path().join("prism.db"))).await.map_err(OpenError::new)
}

async fn open_postgres(schema: Arc<LazySchema>) -> Result<Postgres, OpenError> {
    let url = schema.url().await.map_err(OpenError::new)?;
    Postgres::open(postgres::Options::new(url)).await.map_err(OpenError::new)
}

/// The server's origin, version, collation and durability settings.
async fn provider() -> Vec<(String, String)> {
    let server = match prism_testkit::Postgres::shared().await {
        Ok(server) => server.describe().to_string(),
        Err(error) => error.to_string(),
    };
    vec![("database server".to_owned(), server)]
}
