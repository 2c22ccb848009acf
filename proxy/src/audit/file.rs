//! The file of an audit log: opened where it ended, appended to, rotated, and reopened.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use prism_mutants::seeded;
use tokio_rustls::rustls::crypto::ring;

use super::chain::{Hash, Line, Link};
use super::record::{Event, Record, Shown, rfc3339, write_header};
use crate::config::{Audit, AuditSync};

/// Bytes at the end of a file in which its last whole line is looked for. A line has at most about a megabyte: 200 keys
/// of 1,025 bytes, each byte escaped.
const TAIL: u64 = 4 << 20;
/// The start of every line.
const START: &[u8] = b"{\"seq\":";
/// Capacity above which the buffer of a batch is not kept.
const KEPT_BUFFER: usize = 1 << 20;

/// Why an audit file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file, or a file that was rotated from it, cannot be opened or read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Another process has locked it.
    #[error("another process writes it; each gateway needs a separate file")]
    InUse,
    /// It exists with other content.
    #[error("it is not an audit log of Prism; name a file that does not exist yet")]
    Foreign,
    /// The operating system provides no random bytes for the salt.
    #[error("there are no random bytes for the salt")]
    NoRandom,
}

/// What a line is made of.
pub(super) enum Entry {
    Call(Record),
    Event(Event),
}

/// An open audit file.
pub(super) struct AuditFile {
    path: PathBuf,
    settings: Audit,
    file: File,
    /// The file's name, which differs from that of `path` if a new file could not be started after it was renamed; `None`
    /// if another program renamed it.
    name: Option<String>,
    /// Whether it has a length, and can be rotated and locked: `/dev/full` does not.
    is_regular: bool,
    /// Bytes of whole lines.
    length: u64,
    /// The last line that was written.
    last: Link,
    /// The header, until it is written with the first lines.
    header: Option<NewHeader>,
    shown: Shown,
    buffer: Vec<u8>,
}

/// What the header of a new file says of the file before it.
#[derive(Default)]
struct NewHeader {
    previous: Option<String>,
    torn: u64,
}

impl AuditFile {
    /// Opens the file, and continues its chain. A new file continues that of the newest rotated one, if there are any.
    /// Nothing is written before the first [`AuditFile::append`].
    pub(super) fn open(settings: &Audit, path: &Path) -> Result<Self, OpenError> {
        Self::open_locked(settings, path, lock(open(path)?)?)
    }

    fn open_locked(settings: &Audit, path: &Path, file: File) -> Result<Self, OpenError> {
        let metadata = file.metadata()?;
        let mut this = Self {
            path: path.to_owned(),
            settings: settings.clone(),
            file,
            name: base_name(path),
            is_regular: metadata.is_file(),
            length: 0,
            last: Link::NONE,
            header: Some(NewHeader::default()),
            shown: Shown { show: settings.show, salt: new_salt()? },
            buffer: Vec::new(),
        };
        if this.is_regular && metadata.len() > 0 {
            this.resume()?;
        } else if this.is_regular {
            this.continue_rotated()?;
        }
        Ok(this)
    }

    /// Continues a file that has lines.
    fn resume(&mut self) -> Result<(), OpenError> {
        let Tail { last: Some(last), end, torn } = Tail::of(&mut self.file)? else {
            // It holds part of a header and nothing else.
            self.file.set_len(0)?;
            return self.continue_rotated();
        };
        let header = first_line(&mut self.file)?.and_then(|line| Line::read(&line)?.header);
        self.shown.salt = header.ok_or(OpenError::Foreign)?.salt;
        (self.last, self.length, self.header) = (last, end, None);
        if seeded("audit/begins-a-new-chain-at-a-restart") {
            self.last = Link::NONE;
        }
        if torn > 0 {
            // The torn line is kept as evidence, in a file that ends with it.
            self.start_next(torn)?;
        }
        Ok(())
    }

    /// Takes the end of the newest rotated file as the link to continue.
    fn continue_rotated(&mut self) -> Result<(), OpenError> {
        let Some(name) = self.rotated()?.pop() else { return Ok(()) };
        let tail = Tail::of(&mut File::open(self.path.with_file_name(&name))?)?;
        self.last = tail.last.ok_or(OpenError::Foreign)?;
        self.header = Some(NewHeader { previous: Some(name), torn: tail.torn });
        Ok(())
    }

    /// The last line that was written.
    pub(super) fn last(&self) -> Link {
        self.last
    }

    /// Whether it has reached the size for rotation.
    pub(super) fn is_full(&self) -> bool {
        self.is_regular && self.length >= u64::from(self.settings.rotate)
    }

    /// Writes the lines of `entries` with one write. On an error none of them counts as written.
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        self.check()?;
        self.buffer.clear();
        let mut last = self.last;
        if let Some(NewHeader { previous, torn }) = &self.header {
            write_header(&mut self.buffer, last.sequence + 1, &self.shown, previous.as_deref(), *torn);
            last.seal(&mut self.buffer, 0);
        }
        for entry in entries {
            let (start, sequence) = (self.buffer.len(), last.sequence + 1);
            match entry {
                Entry::Call(record) => record.write(&mut self.buffer, sequence, &self.shown),
                Entry::Event(event) => event.write(&mut self.buffer, sequence),
            }
            last.seal(&mut self.buffer, start);
        }
        let written = self.file.write_all(&self.buffer).and_then(|()| self.sync());
        if written.is_ok() {
            self.length += self.buffer.len() as u64;
            (self.last, self.header) = (last, None);
        } else if self.is_regular {
            // If this fails too, `check` finds another length, and a new file is started.
            let _ = self.file.set_len(self.length);
        }
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BUFFER);
        written
    }

    fn sync(&self) -> io::Result<()> {
        match self.settings.sync {
            AuditSync::Batch if self.is_regular => self.file.sync_data(),
            AuditSync::Batch | AuditSync::None => Ok(()),
        }
    }

    /// Fails if the file was deleted, or changed by another program.
    fn check(&self) -> io::Result<()> {
        if !self.is_regular {
            return Ok(());
        }
        let metadata = self.file.metadata()?;
        if is_deleted(&metadata) {
            return Err(io::Error::other("the file was deleted"));
        }
        if metadata.len() != self.length {
            return Err(io::Error::other(format!(
                "the file has {} bytes instead of {}: another program changed it",
                metadata.len(),
                self.length
            )));
        }
        Ok(())
    }

    /// Makes the file usable after an error: a deleted or changed file is replaced by a new one.
    pub(super) fn repair(&mut self) -> Result<(), OpenError> {
        let length = self.file.metadata()?.len();
        if self.check().is_err() {
            self.start_next(length.saturating_sub(self.length))?;
        }
        Ok(())
    }

    /// Renames the file, starts a new one, and deletes the oldest rotated ones. The last line before it is returned.
    pub(super) fn rotate(&mut self) -> Result<Link, OpenError> {
        let last = self.last;
        self.start_next(0)?;
        self.prune();
        Ok(last)
    }

    /// Renames the file unless it is not at its path any more, and starts a new one there that continues it.
    fn start_next(&mut self, torn: u64) -> Result<(), OpenError> {
        self.file.sync_data()?;
        let base = base_name(&self.path);
        if is_at(&self.file, &self.path) {
            let name = self.free_name();
            fs::rename(&self.path, self.path.with_file_name(&name))?;
            self.name = Some(name);
        } else if self.name == base {
            // Another program has renamed it.
            self.name = None;
        }
        let file = lock(open(&self.path)?)?;
        if file.metadata()?.len() > 0 {
            return Err(OpenError::Foreign);
        }
        self.continue_in(file, torn)
    }

    /// Moves on to `file`, which is empty.
    fn continue_in(&mut self, file: File, torn: u64) -> Result<(), OpenError> {
        self.shown.salt = new_salt()?;
        (self.file, self.length) = (file, 0);
        let previous = std::mem::replace(&mut self.name, base_name(&self.path));
        // Where the header was not written yet, the file had no line, and the new one continues the same file as it.
        self.header.get_or_insert(NewHeader { previous, torn });
        Ok(())
    }

    /// Opens the path again, after another program has renamed the file. Returns whether it is another file now.
    pub(super) fn reopen(&mut self) -> Result<bool, OpenError> {
        if is_at(&self.file, &self.path) {
            return Ok(false);
        }
        let file = lock(open(&self.path)?)?;
        if file.metadata()?.len() > 0 {
            // Another log: that one is continued.
            *self = Self::open_locked(&self.settings, &self.path, file)?;
            return Ok(true);
        }
        // The new name of the old file is not known.
        (self.name, self.is_regular) = (None, file.metadata()?.is_file());
        self.continue_in(file, 0)?;
        Ok(true)
    }

    /// The names of rotated files, oldest first.
    fn rotated(&self) -> io::Result<Vec<String>> {
        let Some(base) = base_name(&self.path) else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in fs::read_dir(folder(&self.path))? {
            let name = entry?.file_name();
            let stamp = name.to_str().and_then(|name| name.strip_prefix(&base)?.strip_prefix('.'));
            if let (Some(name), true) = (name.to_str(), stamp.is_some_and(is_stamp)) {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Deletes the rotated files beyond the limit.
    fn prune(&self) {
        let delete = || -> io::Result<()> {
            let names = self.rotated()?;
            let excess = names.len().saturating_sub(self.settings.keep);
            names[..excess].iter().try_for_each(|name| fs::remove_file(self.path.with_file_name(name)))
        };
        if let Err(error) = delete() {
            tracing::warn!(%error, "old files of the audit log cannot be deleted");
        }
    }

    /// A name for the file that sorts after those of the files rotated before it, even if the clock was set back.
    fn free_name(&self) -> String {
        let base = base_name(&self.path).unwrap_or_default();
        let newest = self.rotated().ok().and_then(|mut names| names.pop());
        let mut time = SystemTime::now();
        loop {
            let name = format!("{base}.{}", stamp(time));
            match &newest {
                Some(newest) if name <= *newest => time += Duration::from_micros(1),
                Some(_) | None => return name,
            }
        }
    }
}

/// The end of a file.
struct Tail {
    /// Its last whole line; `None`: it has only the start of its header.
    last: Option<Link>,
    /// Where that line ends.
    end: u64,
    /// The bytes after it.
    torn: u64,
}

impl Tail {
    fn of(file: &mut File) -> Result<Self, OpenError> {
        let length = file.metadata()?.len();
        let from = length.saturating_sub(TAIL);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        let mut end = bytes.len();
        // A machine that lost power may leave other bytes than lines at the end.
        while let Some(line_break) = bytes[..end].iter().rposition(|byte| *byte == b'\n') {
            let start = bytes[..line_break].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            if let Some(line) = Line::read(&bytes[start..line_break]) {
                let end = from + line_break as u64 + 1;
                return Ok(Self { last: Some(line.link), end, torn: length - end });
            }
            end = line_break;
        }
        let is_start = from == 0 && (bytes.starts_with(START) || START.starts_with(&bytes));
        if is_start || bytes.iter().all(|byte| *byte == 0) {
            return Ok(Self { last: None, end: 0, torn: length });
        }
        Err(OpenError::Foreign)
    }
}

/// The first line of a file, without its line break.
fn first_line(file: &mut File) -> io::Result<Option<Vec<u8>>> {
    let mut start = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(4_096).read_to_end(&mut start)?;
    Ok(start.iter().position(|byte| *byte == b'\n').map(|end| {
        start.truncate(end);
        start
    }))
}

/// Opens a file to read and append, readable by its owner only if it is new.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Two writers of one file would break its chain.
fn lock(file: File) -> Result<File, OpenError> {
    if file.metadata()?.is_file() && matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)) {
        return Err(OpenError::InUse);
    }
    Ok(file)
}

/// 64 random hexadecimal digits.
fn new_salt() -> Result<String, OpenError> {
    let mut bytes = [0; 32];
    ring::default_provider().secure_random.fill(&mut bytes).map_err(|_| OpenError::NoRandom)?;
    Ok(Hash::of(&[&bytes]).to_string())
}

/// A time within a file's name: `20260131T120000.000000Z`.
fn stamp(time: SystemTime) -> String {
    rfc3339(time).replace(['-', ':'], "")
}

fn is_stamp(text: &str) -> bool {
    text.len() == "20260131T120000.000000Z".len()
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'.',
            22 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

fn base_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(unix)]
fn is_deleted(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) == 0
}

#[cfg(not(unix))]
fn is_deleted(_: &fs::Metadata) -> bool {
    false
}

/// Whether `path` is this file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let (open, there) = (file.metadata().map(id), fs::metadata(path).map(id));
    open.is_ok() && open.ok() == there.ok()
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}
