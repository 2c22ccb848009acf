//! How far a full import got, kept beside its file: how many items are written, counted in the order of versions.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::client::import::progress::{remove, replace};

const VERSION: u32 = 1;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Saved {
    /// Raised when the meaning of the file changes.
    version: u32,
    #[serde(flatten)]
    import: Import,
    /// Items written, or left out as asked, without a gap from the lowest version.
    items: u64,
}

/// Which import it is: the progress of another one is not its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Import {
    /// The namespace that is imported into.
    pub(super) namespace: String,
    /// The database that is imported into, without a password.
    pub(super) database: String,
    /// SHA-256 of the file that is imported.
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

    /// How many items an earlier run wrote; `None`: there was none. The error says why it cannot be gone on from.
    pub(super) fn load(&self) -> Result<Option<u64>, String> {
        let shown = self.path.display();
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot read {shown}: {error}")),
        };
        let saved: Saved = serde_json::from_slice(&text)
            .map_err(|error| format!("{shown} is damaged ({error}); start over without --resume"))?;
        if saved.version != VERSION {
            return Err(format!("{shown} is of another version of prism; start over without --resume"));
        }
        let (was, is) = (saved.import, &self.import);
        if (&was.namespace, &was.database) != (&is.namespace, &is.database) {
            return Err(format!(
                "{shown} is of an import into '{}' of {}, not '{}' of {}; start over without --resume",
                was.namespace, was.database, is.namespace, is.database
            ));
        }
        if was.sha256 != is.sha256 {
            return Err(format!(
                "{shown} is of an import of another file, or this one was changed; start over without --resume"
            ));
        }
        Ok(Some(saved.items))
    }

    /// Keeps it.
    pub(super) fn save(&self, items: u64) -> io::Result<()> {
        replace(&self.path, &Saved { version: VERSION, import: self.import.clone(), items })
    }

    /// Removes it, once there is nothing left to go on with.
    pub(super) fn remove(&self) -> io::Result<()> {
        remove(&self.path)
    }
}
