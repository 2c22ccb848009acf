//! The progress of an import, saved next to its input file so that a later run can resume.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lines::Mark;

/// The file's content. Everything before `bytes` was acknowledged by the server, or skipped on request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Saved {
    /// The format version: raised when the file's meaning changes.
    version: u32,
    /// The namespace that was imported into.
    pub(in super::super) namespace: String,
    /// The watermark: lines completed without a gap.
    pub(in super::super) lines: u64,
    /// Bytes of these lines.
    pub(in super::super) bytes: u64,
    /// SHA-256 of these bytes, which detects a different input.
    pub(in super::super) sha256: String,
}

const VERSION: u32 = 1;

/// The file `FILE.prism-progress`.
#[derive(Debug, Clone)]
pub(in super::super) struct ProgressFile {
    path: PathBuf,
    namespace: String,
}

impl ProgressFile {
    /// The progress of importing `input` into `namespace`.
    pub(in super::super) fn beside(input: &Path, namespace: &str) -> Self {
        Self::with_suffix(input, ".prism-progress", namespace)
    }

    /// The progress of appending the events in `input` to `namespace`.
    pub(in super::super) fn of_append(input: &Path, namespace: &str) -> Self {
        Self::with_suffix(input, ".prism-append-progress", namespace)
    }

    fn with_suffix(input: &Path, suffix: &str, namespace: &str) -> Self {
        let mut path = input.as_os_str().to_owned();
        path.push(suffix);
        Self { path: path.into(), namespace: namespace.to_owned() }
    }

    /// Its path.
    pub(in super::super) fn path(&self) -> &Path {
        &self.path
    }

    /// The progress of an earlier run; `None`: there is none. The error says why it cannot be resumed.
    pub(in super::super) fn load(&self) -> Result<Option<Saved>, String> {
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
        if saved.namespace != self.namespace {
            let (was, is) = (&saved.namespace, &self.namespace);
            return Err(format!(
                "{path} is from an import into '{was}', not '{is}'; start over without --resume"
            ));
        }
        Ok(Some(saved))
    }

    /// Replaces the file atomically.
    pub(in super::super) fn save(&self, at: &Mark) -> io::Result<()> {
        let saved = Saved {
            version: VERSION,
            namespace: self.namespace.clone(),
            lines: at.lines,
            bytes: at.bytes,
            sha256: at.digest(),
        };
        replace(&self.path, &saved)
    }

    /// Removes it, once the import is complete.
    pub(in super::super) fn remove(&self) -> io::Result<()> {
        remove(&self.path)
    }
}

/// Replaces a file atomically and durably.
pub(super) fn replace(path: &Path, content: &impl Serialize) -> io::Result<()> {
    let mut next = path.as_os_str().to_owned();
    next.push("-next");
    let mut file = File::create(&next)?;
    file.write_all(&serde_json::to_vec(content)?)?;
    file.sync_all()?;
    fs::rename(&next, path)
}

/// Removes a file, if it exists.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_progress_is_loaded_only_for_the_same_namespace() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("in.jsonl");
        let file = ProgressFile::beside(&input, "a");
        assert_eq!(file.path(), folder.path().join("in.jsonl.prism-progress"));
        assert_eq!(file.load(), Ok(None));
        file.save(&Mark::default()).unwrap();
        let saved = file.load().unwrap().unwrap();
        assert_eq!((saved.lines, saved.bytes), (0, 0));
        assert_eq!(saved.sha256, Mark::default().digest());
        let why = ProgressFile::beside(&input, "b").load().unwrap_err();
        assert!(why.contains("into 'a', not 'b'"), "{why}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file is left behind");
        file.remove().unwrap();
        assert_eq!(file.load(), Ok(None));
        file.remove().unwrap();
    }

    #[test]
    fn a_damaged_progress_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = ProgressFile::beside(&folder.path().join("in"), "a");
        fs::write(file.path(), "{\"version\":1").unwrap();
        assert!(file.load().unwrap_err().contains("is damaged"));
        fs::write(file.path(), r#"{"version":2,"namespace":"a","lines":0,"bytes":0,"sha256":""}"#).unwrap();
        assert!(file.load().unwrap_err().contains("another version"));
    }
}
