//! A copy of a file while gateways serve it: one snapshot, checked, and under its name only once it is whole and on disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use prism_contract::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};

use super::OpenError;
use super::inspect::{Inspection, Since, unreadable};
use super::schema::Schema;
use crate::check::{Damage, Report};

/// Names that SQLite gives to files beside a database, which it would read as a part of one.
const SIDECARS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A finished copy.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Its size in bytes.
    pub bytes: u64,
    /// What its check found.
    pub report: Report,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be read.
    #[error(transparent)]
    Source(#[from] OpenError),
    /// The name of the copy is taken.
    #[error("'{}' exists; a backup overwrites nothing, so name another file, or move that one", path.display())]
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// The folder of the copy does not exist.
    #[error("cannot write '{}': its directory does not exist; create the directory first", path.display())]
    NoDirectory {
        /// The name.
        path: PathBuf,
    },
    /// The name of the copy is none of a database.
    #[error("cannot write '{}': {why}", path.display())]
    Name {
        /// The name.
        path: PathBuf,
        /// What is wrong with it, and what is allowed.
        why: &'static str,
    },
    /// The copy cannot be written.
    #[error("cannot write '{}': {source}; no file of that name was made", path.display())]
    Write {
        /// The name.
        path: PathBuf,
        /// The error of SQLite or of the system.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The copy has damage, which the database has too.
    #[error(
        "the database '{}' is damaged, and so would be its backup, which was not kept: {}; `prism check` lists all",
        path.display(), first(damage)
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        damage: Vec<Damage>,
    },
}

fn first(damage: &[Damage]) -> &str {
    damage.first().map_or("", |damage| &damage.what)
}

/// A statement that gives a copy a new identity, so that tokens of the original are not continued in it; and the schema version
/// that first has its table.
pub(in crate::sqlite) struct Renew(pub(in crate::sqlite) i64, pub(in crate::sqlite) &'static str);

/// What a copy is made of.
pub(in crate::sqlite) struct Plan<'a> {
    pub(in crate::sqlite) database: &'a Path,
    pub(in crate::sqlite) busy_timeout: Duration,
    pub(in crate::sqlite) schema: &'static Schema,
    pub(in crate::sqlite) renew: Renew,
    pub(in crate::sqlite) parts: &'a [Since],
    pub(in crate::sqlite) now: Timestamp,
    pub(in crate::sqlite) retention: Duration,
}

/// Copies the database to `file`, which must not exist. Dropping the future removes what it has written.
pub(in crate::sqlite) async fn back_up(plan: Plan<'_>, file: &Path) -> Result<Backup, BackupError> {
    let destination = Destination::of(file)?;
    let failed = |source: sqlx::Error| destination.unwritable(source);
    let mut source = Inspection::open(plan.database, plan.busy_timeout, plan.schema).await?;
    let database = source.path.clone();
    // The database itself too: a copy reads no page that is not in use, and only the used bytes of the others.
    let damage = source.integrity().await.map_err(|error| OpenError::of(&database, error))?;
    if !damage.is_empty() {
        return Err(BackupError::Damaged { path: database, damage });
    }
    let partial = Partial::create(&destination)?;
    // One read transaction: what was committed before it began, and nothing of what is committed later.
    let copied = sqlx::query("VACUUM INTO ?").bind(&partial.name).execute(&mut source.connection).await;
    let version = source.version;
    source.close().await;
    if let Err(error) = copied {
        let damage = unreadable(error).map_err(failed)?;
        return Err(BackupError::Damaged { path: database, damage: vec![damage] });
    }
    if plan.renew.0 <= version {
        renew(partial.path(), plan.renew.1).await.map_err(failed)?;
    }
    let mut copy = Inspection::open(partial.path(), plan.busy_timeout, plan.schema).await?;
    let checked = copy.check(plan.parts, plan.now, plan.retention).await;
    copy.close().await;
    let report = checked.map_err(failed)?;
    if !report.damage.is_empty() {
        return Err(BackupError::Damaged { path: database, damage: report.damage });
    }
    let bytes = partial.publish(&destination)?;
    Ok(Backup { bytes, report })
}

/// The name of a file that may be made.
struct Destination {
    /// As it was given, for messages.
    given: PathBuf,
    absolute: PathBuf,
}

impl Destination {
    fn of(file: &Path) -> Result<Self, BackupError> {
        let given = file.to_owned();
        let unwritable =
            |source: io::Error| BackupError::Write { path: file.to_owned(), source: source.into() };
        let absolute = std::path::absolute(file).map_err(unwritable)?;
        let Some(name) = absolute.file_name().map(|name| name.to_string_lossy()) else {
            let why = "it is not the name of a file; name the file itself";
            return Err(BackupError::Name { path: given, why });
        };
        // Also a symbolic link without a target.
        match fs::symlink_metadata(&absolute) {
            Ok(found) if found.is_dir() => {
                return Err(BackupError::Name { path: given, why: "it is a directory; name a file in it" });
            }
            Ok(_) => return Err(BackupError::Exists { path: given }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unwritable(error)),
        }
        if SIDECARS.iter().any(|suffix| name.ends_with(suffix)) {
            let why = "SQLite reads a file of such a name as a part of a database; name it without -wal, -shm and -journal";
            return Err(BackupError::Name { path: given, why });
        }
        match absolute.parent().map(Path::try_exists) {
            Some(Ok(true)) => {}
            Some(Ok(false)) | None => return Err(BackupError::NoDirectory { path: given }),
            Some(Err(error)) => return Err(unwritable(error)),
        }
        Ok(Self { given, absolute })
    }

    fn unwritable(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BackupError {
        BackupError::Write { path: self.given.clone(), source: source.into() }
    }
}

/// The copy, under a name that marks it as partial. Removed when dropped.
struct Partial {
    /// Its absolute path, which SQLite takes in UTF-8.
    name: String,
}

impl Partial {
    /// Makes an empty file that only this process's user may read.
    fn create(destination: &Destination) -> Result<Self, BackupError> {
        let Some(file) = destination.absolute.to_str() else {
            let why = "it is not UTF-8; SQLite takes only such names";
            return Err(BackupError::Name { path: destination.given.clone(), why });
        };
        loop {
            let name = format!("{file}.partial-{:08x}", random());
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            match options.open(&name) {
                Ok(_) => return Ok(Self { name }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(destination.unwritable(error)),
            }
        }
    }

    fn path(&self) -> &Path {
        Path::new(&self.name)
    }

    /// Brings it to disk, and gives it its name if that is still free; returns its size.
    fn publish(self, destination: &Destination) -> Result<u64, BackupError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists { path: destination.given.clone() },
            _ => destination.unwritable(source),
        };
        let copy = File::open(&self.name).map_err(failed)?;
        copy.sync_all().map_err(failed)?;
        let bytes = copy.metadata().map_err(failed)?.len();
        drop(copy);
        rename_to_free(self.path(), &destination.absolute).map_err(failed)?;
        sync_folder(&destination.absolute).map_err(failed)?;
        Ok(bytes)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After a rename there is none, and the journal is SQLite's of the copying. A leftover is marked by its name.
        for name in [self.name.clone(), format!("{}-journal", self.name)] {
            let _ = fs::remove_file(name);
        }
    }
}

/// Renames a file to a name that no file has. A link fails if another process has taken the name meanwhile, where a rename
/// would replace that file.
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without links.
        Err(_) if to.try_exists()? => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}

/// Brings the name of a file to disk.
#[cfg(unix)]
fn sync_folder(file: &Path) -> io::Result<()> {
    File::open(file.parent().unwrap_or(file))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Runs a statement in a copy that has no other user. Its journal is in memory, and the whole copy is synced at its end.
async fn renew(copy: &Path, statement: &'static str) -> Result<(), sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(copy)
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off)
        .foreign_keys(false)
        .disable_statement_logging();
    let mut connection: SqliteConnection = options.connect().await?;
    connection.execute(statement).await?;
    connection.close().await
}

/// A number that differs between processes and calls.
fn random() -> u32 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let hash = RandomState::new().build_hasher().finish();
    u32::try_from(hash >> 32).unwrap_or_default()
}
