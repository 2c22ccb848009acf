//! The progress of a full import, saved next to its input file: the number of items written, in the order of versions.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::client::import::progress::{remove, replace};

const VERSION: u32 = 1;

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Saved {
    /// The format version: raised when the file's meaning changes.
    version: u32,
    #[serde(flatten)]
    import: Import,
    /// The watermark: items written, or left out on request, without a gap from the lowest version.
    items: u64,
}

/// The identity of an import: progress of another import is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Import {
    /// The target namespace.
    pub(super) namespace: String,
    /// The target database, without a password.
    pub(super) database: String,
    /// SHA-256 of the input file.
    pub(super) sha256: String,
}

/// The file `FILE.prism-full-progress`.
pub(super) struct FullProgress {
    path: PathBuf,
    import: Import,
}

impl FullProgress {
    /// The progress of `import`, which reads `input`.
    pub(super) fn beside(input: &Path, import: Import) -> Self {
        let mut path = input.as_os_str().to_owned();
        path.push(".prism-full-progress");
        Self { path: path.into(), import }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The number of items an earlier run wrote; `None`: there was none. The error says why it cannot be resumed.
    pub(super) fn load(&self) -> Result<Option<u64>, String> {
        let path = self.path.display();
        let content = match fs::read(&self.path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot read {path}: {error}")),
        };
        let saved: Saved = serde_json::from_slice(&content)
            .map_err(|error| format!("{path} is damaged ({error}); start over without --resume"))?;
        if saved.version != VERSION {
            return Err(format!("{path} is from another version of prism; start over without --resume"));
        }
        let (was, is) = (saved.import, &self.import);
        if (&was.namespace, &was.database) != (&is.namespace, &is.database) {
            return Err(format!(
                "{path} is from an import into '{}' of {}, not '{}' of {}; start over without --resume",
                was.namespace, was.database, is.namespace, is.database
            ));
        }
        if was.sha256 != is.sha256 {
            return Err(format!(
                "{path} is from an import of another file, or this file has changed; start over without --resume"
            ));
        }
        Ok(Some(saved.items))
    }

    /// Saves the progress.
    pub(super) fn save(&self, items: u64) -> io::Result<()> {
        replace(&self.path, &Saved { version: VERSION, import: self.import.clone(), items })
    }

    /// Removes it, once the import is complete.
    pub(super) fn remove(&self) -> io::Result<()> {
        remove(&self.path)
    }
}
