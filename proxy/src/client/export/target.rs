//! Where an export goes: standard output, or a file that is there whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::client::failure::Failure;

/// Takes the lines of an export. Dropped before [`Target::finish`], it leaves no file behind.
pub(super) struct Target {
    writer: BufWriter<Box<dyn Write>>,
    name: String,
    file: Option<Unfinished>,
}

/// A file under a name that says it is not whole, next to the place where it will stand.
struct Unfinished {
    partial: PathBuf,
    whole: PathBuf,
    file: File,
    renamed: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.renamed {
            // It is named for what it is, so one that cannot be removed deceives nobody.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

impl Target {
    /// Standard output for `-`, else the file at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::new(Box::new(io::stdout()), "standard output", None));
        }
        let name = path.display().to_string();
        let failed = |error| Failure::Failed(format!("cannot write {name}: {error}"));
        // A device or a pipe takes the lines as they come: renaming a file over it would put it out of the world.
        if path.metadata().is_ok_and(|there| !there.is_file()) {
            let device = File::options().write(true).open(path).map_err(failed)?;
            return Ok(Self::new(Box::new(device), &name, None));
        }
        // Through a symbolic link to the file it names, so that the link stays one.
        let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut partial = whole.clone().into_os_string();
        partial.push(format!(".partial-{}", std::process::id()));
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(failed)?;
        let writer = Box::new(file.try_clone().map_err(failed)?);
        Ok(Self::new(writer, &name, Some(Unfinished { partial, whole, file, renamed: false })))
    }

    fn new(writer: Box<dyn Write>, name: &str, file: Option<Unfinished>) -> Self {
        Self { writer: BufWriter::with_capacity(1 << 18, writer), name: name.to_owned(), file }
    }

    /// Writes a line.
    pub(super) fn write(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.writer.write_all(line).map_err(|error| self.failed(&error))
    }

    /// Everything was written: the file takes its place.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| self.failed(&error))?;
        if let Some(mut unfinished) = self.file.take() {
            let placed =
                unfinished.file.sync_all().and_then(|()| fs::rename(&unfinished.partial, &unfinished.whole));
            placed.map_err(|error| self.failed(&error))?;
            unfinished.renamed = true;
        }
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Failed(format!("cannot write {}: {error}", self.name)),
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
    fn a_file_is_there_once_it_is_whole_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "old").unwrap();
        let mut target = Target::open(&path).unwrap();
        target.write(b"new\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        target.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new\n");
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn an_export_that_is_given_up_leaves_nothing_behind() {
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
        target.write(b"gone").unwrap();
        target.finish().unwrap();
        assert!(null.metadata().unwrap().file_type().is_char_device());
    }
}
