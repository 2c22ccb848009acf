//! The target of an export: standard output, or a file that is replaced atomically.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::client::failure::Failure;
use crate::client::out::is_file;
use crate::terminal::printable_json;

/// Writes the lines of an export. Dropped before [`Target::finish`], it leaves no file behind.
pub(super) struct Target {
    writer: BufWriter<Box<dyn Write>>,
    name: String,
    file: Option<PartialFile>,
    kind: Kind,
}

/// The kind of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Lines must not command it.
    Terminal,
    /// A regular file.
    File,
    /// A pipe or another device.
    Other,
}

impl Kind {
    fn of(output: &impl IsTerminal, is_file: bool) -> Self {
        match (output.is_terminal(), is_file) {
            (true, _) => Self::Terminal,
            (false, true) => Self::File,
            (false, false) => Self::Other,
        }
    }
}

/// A temporary file, named as partial, in the directory of its destination.
struct PartialFile {
    path: PathBuf,
    destination: PathBuf,
    file: File,
    renamed: bool,
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.renamed {
            // Best effort: its name marks a leftover as partial.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Target {
    /// Standard output for `-`, else the file at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            let stdout = io::stdout();
            let kind = Kind::of(&stdout, is_file(&stdout));
            return Ok(Self::new(Box::new(stdout), "standard output", kind, None));
        }
        let name = path.display().to_string();
        let failed = |error| Failure::failed(format!("cannot write {name}: {error}"));
        // A device or a pipe is written directly: renaming a file over it would remove it.
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            let device = File::options().write(true).open(path).map_err(failed)?;
            let kind = Kind::of(&device, false);
            return Ok(Self::new(Box::new(device), &name, kind, None));
        }
        // A symbolic link is resolved, so that the rename does not replace the link itself.
        let destination = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut partial = destination.clone().into_os_string();
        partial.push(format!(".partial-{}", std::process::id()));
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(failed)?;
        let writer = Box::new(file.try_clone().map_err(failed)?);
        let partial = PartialFile { path: partial, destination, file, renamed: false };
        Ok(Self::new(writer, &name, Kind::File, Some(partial)))
    }

    fn new(writer: Box<dyn Write>, name: &str, kind: Kind, file: Option<PartialFile>) -> Self {
        Self { writer: BufWriter::with_capacity(1 << 18, writer), name: name.to_owned(), file, kind }
    }

    /// Its kind.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Writes a line of JSON, which ends with a newline.
    pub(super) fn write(&mut self, line: &[u8]) -> Result<(), Failure> {
        let shown = (self.kind == Kind::Terminal)
            .then(|| printable_json(String::from_utf8_lossy(line).trim_end_matches('\n')) + "\n");
        let line = shown.as_ref().map_or(line, String::as_bytes);
        self.writer.write_all(line).map_err(|error| self.failed(&error))
    }

    /// Completes the output: a partial file is renamed to its destination.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| self.failed(&error))?;
        if let Some(mut partial) = self.file.take() {
            let renamed =
                partial.file.sync_all().and_then(|()| fs::rename(&partial.path, &partial.destination));
            renamed.map_err(|error| self.failed(&error))?;
            partial.renamed = true;
        }
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::failed(format!("cannot write {}: {error}", self.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn the_file_is_replaced_only_once_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "old").unwrap();
        let mut target = Target::open(&path).unwrap();
        assert_eq!(target.kind(), Kind::File);
        target.write(b"new\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        target.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new\n");
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn a_cancelled_export_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut target = Target::open(&folder.path().join("out")).unwrap();
        target.write(b"half").unwrap();
        assert_eq!(names(folder.path()).len(), 1);
        drop(target);
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_a_device_a_device() {
        use std::os::unix::fs::FileTypeExt;

        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("out"), folder.path().join("link"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut target = Target::open(&link).unwrap();
        target.write(b"new").unwrap();
        target.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(link.symlink_metadata().unwrap().is_symlink());

        let null = Path::new("/dev/null");
        let mut target = Target::open(null).unwrap();
        assert_eq!(target.kind(), Kind::Other);
        target.write(b"gone").unwrap();
        target.finish().unwrap();
        assert!(null.metadata().unwrap().file_type().is_char_device());
    }
}
