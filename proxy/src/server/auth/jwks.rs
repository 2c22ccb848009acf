//! Keeps the keys of an issuer up to date: reads a file when it has changed, and fetches a URL at intervals; both at once
//! when a token has an unknown key.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::Instant;

use super::keys::{KeySet, KeySetError, MAX_JWKS};
use crate::config::JwksSource;
use crate::fetch::{FetchError, fetch};

/// The keys of an issuer. A task loads them until this is dropped.
#[derive(Debug)]
pub(super) struct Jwks {
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    issuer: String,
    source: JwksSource,
    keys: RwLock<Option<Arc<KeySet>>>,
    schedule: Mutex<Schedule>,
    /// Notified for a load out of turn.
    wanted: Notify,
    /// The number of finished loads.
    loads: watch::Sender<u64>,
}

#[derive(Debug)]
struct Schedule {
    is_loading: bool,
    begun: Instant,
}

/// Why keys cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum JwksError {
    #[error("the file cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Document(#[from] KeySetError),
}

/// A version of a file. Editors and Kubernetes replace the file, so that its inode changes even if its time does not.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    modified: Option<SystemTime>,
    length: u64,
    inode: Option<u64>,
}

impl Version {
    #[cfg(unix)]
    fn of(file: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { modified: file.modified().ok(), length: file.len(), inode: Some(file.ino()) }
    }

    #[cfg(not(unix))]
    fn of(file: &Metadata) -> Self {
        Self { modified: file.modified().ok(), length: file.len(), inode: None }
    }
}

impl JwksSource {
    /// Time between two loads.
    fn interval(&self) -> Duration {
        match self {
            Self::File(_) => Duration::from_mins(1),
            Self::Url(_) => Duration::from_mins(5),
        }
    }

    /// Minimum time between two loads out of turn, since any client can send tokens with unknown keys.
    fn pause(&self) -> Duration {
        match self {
            Self::File(_) => Duration::from_secs(1),
            Self::Url(_) => Duration::from_secs(10),
        }
    }
}

impl Jwks {
    /// Loads a file at once, and a URL in the background.
    pub(super) fn start(issuer: &str, source: JwksSource) -> Result<Self, JwksError> {
        let (keys, version) = match &source {
            JwksSource::File(path) => {
                read(path, None)?.map_or((None, None), |(keys, of)| (Some(keys), Some(of)))
            }
            JwksSource::Url(_) => (None, None),
        };
        let shared = Arc::new(Shared {
            issuer: issuer.to_owned(),
            schedule: Mutex::new(Schedule { is_loading: keys.is_none(), begun: Instant::now() }),
            keys: RwLock::new(keys.map(Arc::new)),
            source,
            wanted: Notify::new(),
            loads: watch::Sender::new(0),
        });
        let task = tokio::spawn(Arc::clone(&shared).keep_loading(version)).abort_handle();
        Ok(Self { shared, task })
    }

    /// The keys; `None`: none have arrived yet.
    pub(super) fn keys(&self) -> Option<Arc<KeySet>> {
        self.shared.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over the keys of a predecessor with the same source until its own have arrived.
    pub(super) fn begin_with(&self, predecessor: &Self) {
        let mut keys = self.shared.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.is_none() && self.shared.source == predecessor.shared.source {
            *keys = predecessor.keys();
        }
    }

    /// Completes when a load has ended that was begun for this call, or was under way; `None` if the last one was too
    /// recent.
    pub(super) fn reload(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        // Before the schedule is read, so that the end of a load under way is not missed.
        let mut loads = self.shared.loads.subscribe();
        let mut schedule = self.shared.schedule();
        if !schedule.is_loading {
            if schedule.begun.elapsed() < self.shared.source.pause() {
                return None;
            }
            *schedule = Schedule { is_loading: true, begun: Instant::now() };
            self.shared.wanted.notify_one();
        }
        drop(schedule);
        Some(async move {
            // It fails if the issuer was removed from the configuration meanwhile.
            let _ = loads.changed().await;
        })
    }
}

impl Drop for Jwks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn keep_loading(self: Arc<Self>, mut version: Option<Version>) {
        if matches!(self.source, JwksSource::Url(_)) {
            self.load(&mut version).await;
        }
        loop {
            let _ = tokio::time::timeout(self.source.interval(), self.wanted.notified()).await;
            *self.schedule() = Schedule { is_loading: true, begun: Instant::now() };
            self.load(&mut version).await;
        }
    }

    async fn load(&self, version: &mut Option<Version>) {
        match self.try_load(version).await {
            Ok(Some(keys)) => {
                tracing::info!(
                    issuer = self.issuer,
                    keys = keys.len(),
                    "the keys of an issuer of JWTs were loaded"
                );
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
            }
            Ok(None) => {}
            Err(error) => {
                let known = self.keys.read().unwrap_or_else(PoisonError::into_inner).is_some();
                tracing::warn!(
                    issuer = self.issuer,
                    %error,
                    "the keys of an issuer of JWTs cannot be loaded; {}",
                    if known { "those loaded before stay valid" } else { "its tokens are refused" }
                );
            }
        }
        self.schedule().is_loading = false;
        self.loads.send_modify(|loads| *loads += 1);
    }

    /// The keys; `None` if the file is unchanged.
    async fn try_load(&self, version: &mut Option<Version>) -> Result<Option<KeySet>, JwksError> {
        match &self.source {
            JwksSource::Url(url) => Ok(Some(KeySet::parse(&fetch(url, MAX_JWKS).await?)?)),
            JwksSource::File(path) => {
                let (path, known) = (path.clone(), version.clone());
                let read = spawn_blocking(move || read(&path, known.as_ref()));
                let read = read.await.map_err(io::Error::other)??;
                Ok(read.map(|(keys, read)| {
                    *version = Some(read);
                    keys
                }))
            }
        }
    }
}

/// The keys of a file and its version; `None` if it is still that of `known`.
fn read(path: &Path, known: Option<&Version>) -> Result<Option<(KeySet, Version)>, JwksError> {
    if fs::metadata(path).ok().map(|file| Version::of(&file)).as_ref() == known && known.is_some() {
        return Ok(None);
    }
    let file = File::open(path)?;
    // Of the open file: the path may name another one by now.
    let version = Version::of(&file.metadata()?);
    let mut document = Vec::new();
    file.take(MAX_JWKS as u64 + 1).read_to_end(&mut document)?;
    Ok(Some((KeySet::parse(&document)?, version)))
}
