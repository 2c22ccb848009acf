//! Paths in the repository.

use std::path::{Path, PathBuf};

/// The repository's root: the folder above this crate.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}

/// The folder of the .proto files and buf's configuration.
pub(crate) fn proto() -> PathBuf {
    root().join("proto")
}

/// The book's pages.
pub(crate) fn docs() -> PathBuf {
    root().join("docs")
}

/// The committed Rust code and descriptor set.
pub(crate) fn generated() -> PathBuf {
    proto().join("src/generated")
}

/// Tools and scratch files of client generation; safe to delete.
pub(crate) fn tools() -> PathBuf {
    root().join("target/codegen")
}
