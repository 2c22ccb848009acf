//! Detects that the path no longer names the open files: SQLite would keep writing to a deleted or replaced file, and
//! acknowledged writes would be lost (DUR-1).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use prism_contract::Error;

/// The database file, its WAL and the index of the WAL, as they were when opened.
pub(in crate::sqlite) struct Files {
    /// The path given by the operator; a symbolic link that is redirected to another file is detected.
    database: (PathBuf, FileId),
    /// The WAL and its index, next to the resolved file. `None`: to be looked up, because the write connection is new;
    /// SQLite removes both when the last connection of any process closes.
    sidecars: Mutex<[(PathBuf, Option<FileId>); 2]>,
    /// Whether the last check found another file, or none.
    moved: AtomicBool,
}

/// A path that no longer names the file that is open.
#[derive(Debug, thiserror::Error)]
#[error(
    "'{}' was deleted or replaced while it was open ({why}); restore it, or restart the gateway to open the current file",
    path.display()
)]
struct Moved {
    path: PathBuf,
    why: String,
}

#[cfg(unix)]
type FileId = (u64, u64);
#[cfg(not(unix))]
type FileId = ();

impl Files {
    /// The files of a database that a connection has just opened and written to.
    pub(in crate::sqlite) fn of(path: &Path) -> std::io::Result<Self> {
        let database = (path.to_owned(), file_id(path)?);
        let resolved = std::fs::canonicalize(path)?;
        let sidecars = ["-wal", "-shm"].map(|suffix| {
            let mut name = resolved.clone().into_os_string();
            name.push(suffix);
            let path = PathBuf::from(name);
            let file = file_id(&path).ok();
            (path, file)
        });
        Ok(Self { database, sidecars: Mutex::new(sidecars), moved: AtomicBool::new(false) })
    }

    /// The writer has a new connection: its first transaction finds or creates the WAL files.
    pub(in crate::sqlite) fn reconnected(&self) {
        for (_, file) in self.sidecars.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            *file = None;
        }
    }

    /// The result of the last check; checks again only if it had failed. Free in the normal case.
    pub(in crate::sqlite) fn check(&self) -> Result<(), Error> {
        if self.moved.load(Ordering::Relaxed) { self.recheck() } else { Ok(()) }
    }

    /// Checks that the paths still name the files. Three `stat` calls: 4 microseconds on two busy cores, where a commit
    /// with sync takes about 350.
    pub(in crate::sqlite) fn recheck(&self) -> Result<(), Error> {
        let found = self.find();
        let moved = found.is_err();
        if self.moved.swap(moved, Ordering::Relaxed) != moved {
            match &found {
                Ok(()) => tracing::info!("the path names the open database file again"),
                Err(error) => tracing::error!(%error, "requests are refused"),
            }
        }
        found.map_err(Error::unavailable)
    }

    fn find(&self) -> Result<(), Moved> {
        let (path, opened) = &self.database;
        same(path, *opened)?;
        for (path, opened) in self.sidecars.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            match opened {
                Some(opened) => same(path, *opened)?,
                None => *opened = file_id(path).ok(),
            }
        }
        Ok(())
    }
}

fn same(path: &Path, opened: FileId) -> Result<(), Moved> {
    let why = match file_id(path) {
        Ok(found) if found == opened => return Ok(()),
        Ok(_) => "the path names another file".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Moved { path: path.to_owned(), why })
}

/// Device and inode. Not by opening the file: closing it would release the locks of this process's connections.
#[cfg(unix)]
fn file_id(path: &Path) -> std::io::Result<FileId> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn file_id(path: &Path) -> std::io::Result<FileId> {
    std::fs::metadata(path).map(drop)
}

/// Creates the database file if it does not exist, with access for this process's user only; SQLite gives the WAL files the
/// same mode. SQLite would create it readable by every user. Failures are reported by SQLite.
#[cfg(unix)]
pub(in crate::sqlite) fn create(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt;
    let created = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    if let Ok(file) = created {
        // Closing any descriptor of a file releases all locks of the process on it, including those of a connection that
        // another thread has just opened. So this one, once in the life of a database, stays open.
        std::mem::forget(file);
    }
}

#[cfg(not(unix))]
pub(in crate::sqlite) fn create(_path: &Path) {}

/// Warns if other users of the machine may read or write the database file.
#[cfg(unix)]
pub(in crate::sqlite) fn warn_if_others_may_read(path: &Path, found: &std::fs::Metadata) {
    use std::os::unix::fs::MetadataExt;
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = %format_args!("{mode:04o}"),
            "other users of this machine may open the database file; chmod 600 restricts it to the gateway's user"
        );
    }
}

#[cfg(not(unix))]
pub(in crate::sqlite) fn warn_if_others_may_read(_path: &Path, _found: &std::fs::Metadata) {}
