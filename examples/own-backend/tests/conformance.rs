//! The conformance suite on this backend: a test for each case, each with a fresh store.

use std::sync::Arc;

use prism_conformance::OpenError;
use prism_conformance::keyvalue::InProcess;
use tempfile::TempDir;

use own_backend::{CAPABILITIES, Store};

prism_conformance::conformance!(
    InProcess::durable("own", || tempfile::tempdir().map_err(OpenError::new), open)
        .with_capabilities(CAPABILITIES)
);

/// Opens the store in a folder, and again after each restart and crash.
async fn open(folder: Arc<TempDir>) -> Result<Store, OpenError> {
    Store::open(&folder.path().join("log")).map_err(OpenError::new)
}
