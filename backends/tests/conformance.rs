//! The suite against SQLite in process: each case has a file of its own.

use std::num::NonZero;

use prism_backends::Sqlite;
use prism_backends::sqlite::Options;
use prism_conformance::{InProcess, OpenError};

prism_conformance::conformance!(
    InProcess::durable(
        "sqlite",
        || tempfile::tempdir().map_err(OpenError::new),
        |folder| async move {
            Sqlite::open(Options::new(folder.path().join("prism.db"))).await.map_err(OpenError::new)
        },
    )
    .with_settings(|sqlite| async move {
        let settings = sqlite.settings().await.map_err(OpenError::new)?;
        Ok((settings.are_durable(), settings.to_string()))
    })
    .with_gateways(NonZero::new(2).expect("2 is not 0"))
);
