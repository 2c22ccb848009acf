//! Why a SQLite file could not be opened, for the operator: what is wrong, with which file, and what to do.

use std::path::PathBuf;

use crate::sqlite::SCHEMA_VERSION;

/// Why a file could not be opened. Meant for the operator, so it names the path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// An option has a value that is not allowed.
    #[error("the option '{option}' is out of bounds: {allowed}")]
    Option {
        /// Its name in [`Options`](super::Options).
        option: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The directory the file should be in does not exist.
    #[error("cannot open '{}': its directory does not exist; create the directory first", path.display())]
    NoDirectory {
        /// The file.
        path: PathBuf,
    },
    /// The path names something that is not a regular file.
    #[error("cannot open '{}': it is not a regular file; name the database file itself", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file cannot be opened at all, usually for want of permission.
    #[error(
        "cannot open '{}': {source}; check that this process may read and write the file and its directory",
        path.display()
    )]
    Inaccessible {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file can be read and not written.
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
    /// The file is a SQLite database that something else made. It was left as it is.
    #[error(
        "'{}' is a SQLite database, but not one of Prism's; it was left untouched; name another file",
        path.display()
    )]
    NotPrism {
        /// The file.
        path: PathBuf,
    },
    /// A later version of Prism has changed the schema. The file was left as it is.
    #[error(
        "'{}' has schema version {found}, and this version of Prism knows versions up to {SCHEMA_VERSION}; \
         it was left untouched; use the newer version of Prism",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
    },
    /// The file system cannot do what write-ahead logging needs.
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
    /// SQLite failed in another way, damage included.
    #[error("cannot open '{}': {source}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
