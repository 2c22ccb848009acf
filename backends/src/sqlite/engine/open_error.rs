//! Errors of opening a SQLite file, for the operator: the fault, the file, and the remedy.

use std::path::PathBuf;

use crate::sqlite::SCHEMA_VERSION;

/// The error of opening a file. It is for the operator, so it names the path.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An option is out of bounds.
    #[error("the option '{option}' is out of bounds: {allowed}")]
    Option {
        /// Its name in [`Options`](super::Options).
        option: &'static str,
        /// The allowed values.
        allowed: &'static str,
    },
    /// The directory of the file does not exist.
    #[error("cannot open '{}': its directory does not exist; create the directory first", path.display())]
    NoDirectory {
        /// The file.
        path: PathBuf,
    },
    /// There is no file, which only a gateway creates.
    #[error("cannot open '{}': there is no such file; name the file of the database", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// The path does not name a regular file.
    #[error("cannot open '{}': it is not a regular file; name the database file itself", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file cannot be opened, usually because of permissions.
    #[error(
        "cannot open '{}': {source}; check that this process may read and write the file and its directory",
        path.display()
    )]
    Inaccessible {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is read-only.
    #[error(
        "cannot write to '{}': it is read-only; allow this process to write the file and its directory",
        path.display()
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// Another process holds the database's lock.
    #[error(
        "cannot open '{}': another process holds its lock; end that process, or let it finish, and try again",
        path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a SQLite database.
    #[error("'{}' is not a SQLite database; name another file", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is a SQLite database of another application. It was left unchanged.
    #[error(
        "'{}' is a SQLite database, but not one of Prism's; it was left unchanged; name another file",
        path.display()
    )]
    NotPrism {
        /// The file.
        path: PathBuf,
    },
    /// The schema is of a later version of Prism. The file was left unchanged.
    #[error(
        "'{}' has schema version {found}, and this version of Prism knows versions up to {SCHEMA_VERSION}; \
         it was left unchanged; use the newer version of Prism",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
    },
    /// The file system does not support write-ahead logging.
    #[error(
        "'{}' cannot use write-ahead logging (it stays in mode '{mode}'); use a local file system",
        path.display()
    )]
    NoLog {
        /// The file.
        path: PathBuf,
        /// The journal mode SQLite kept.
        mode: String,
    },
    /// Another error of SQLite, corruption included.
    #[error("cannot open '{}': {source}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// The error of SQLite.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
