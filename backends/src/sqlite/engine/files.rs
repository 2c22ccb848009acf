//! Whether the path still names the files that are open: SQLite goes on writing to a file that was deleted or replaced, and what
//! it acknowledges there is lost (DUR-1).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use prism_contract::Error;

/// The database file, its log and the index of the log, as they were when they were opened.
pub(in crate::sqlite) struct Files {
    /// As the operator named it; a symbolic link that comes to name another file is noticed.
    database: (PathBuf, FileId),
    /// The log and its index, which SQLite keeps beside the file that a link leads to. `None`: to be looked up, because the
    /// connection that writes is new; SQLite removes both when the last connection of any process closes.
    beside: Mutex<[(PathBuf, Option<FileId>); 2]>,
    /// Whether another file, or none, was found at the last look.
    moved: AtomicBool,
}

/// A path that no longer names the file that is open.
#[derive(Debug, thiserror::Error)]
#[error(
    "'{}' was deleted or replaced while it was open ({why}); put it back, or restart the gateway to open what is there now",
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
    /// The files of a database that a connection has just been opened to, and has written to.
    pub(in crate::sqlite) fn of(path: &Path) -> std::io::Result<Self> {
        let database = (path.to_owned(), file_id(path)?);
        let resolved = std::fs::canonicalize(path)?;
        let beside = ["-wal", "-shm"].map(|suffix| {
            let mut name = resolved.clone().into_os_string();
            name.push(suffix);
            let path = PathBuf::from(name);
            let file = file_id(&path).ok();
            (path, file)
        });
        Ok(Self { database, beside: Mutex::new(beside), moved: AtomicBool::new(false) })
    }

    /// The writer has a new connection: the log's files are those that its first transaction finds or makes.
    pub(in crate::sqlite) fn connected_anew(&self) {
        for (_, file) in self.beside.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            *file = None;
        }
    }

    /// Whether the paths named the files at the last look; looks again where they did not. Costs nothing else.
    pub(in crate::sqlite) fn check(&self) -> Result<(), Error> {
        if self.moved.load(Ordering::Relaxed) { self.look() } else { Ok(()) }
    }

    /// Whether the paths still name the files. Three `stat` calls: 4 microseconds on two cores that are busy, where a commit
    /// that syncs takes some 350.
    pub(in crate::sqlite) fn look(&self) -> Result<(), Error> {
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
        for (path, opened) in self.beside.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
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
        Ok(_) => "another file has its name".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Moved { path: path.to_owned(), why })
}

/// Device and inode. Never by opening the file: closing it again would give up the locks of this process's connections.
#[cfg(unix)]
fn file_id(path: &Path) -> std::io::Result<FileId> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn file_id(path: &Path) -> std::io::Result<FileId> {
    std::fs::metadata(path).map(drop)
}

/// Makes the database file if there is none, for this process's user alone; SQLite gives the files beside it the same mode.
/// SQLite itself would make it readable by every user. A failure is SQLite's to report.
#[cfg(unix)]
pub(in crate::sqlite) fn make(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    if let Ok(file) = made {
        // Closing any descriptor of a file gives up all locks of the process on it, those of a connection that another thread
        // has just opened as well. So this one, once in the life of a database, stays open.
        std::mem::forget(file);
    }
}

#[cfg(not(unix))]
pub(in crate::sqlite) fn make(_path: &Path) {}

/// Warns where other users of the machine may read or write the database file.
#[cfg(unix)]
pub(in crate::sqlite) fn warn_if_others_may_read(path: &Path, found: &std::fs::Metadata) {
    use std::os::unix::fs::MetadataExt;
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = %format_args!("{mode:04o}"),
            "other users of this machine may open the database file; chmod 600 keeps it to the gateway's own"
        );
    }
}

#[cfg(not(unix))]
pub(in crate::sqlite) fn warn_if_others_may_read(_path: &Path, _found: &std::fs::Metadata) {}
