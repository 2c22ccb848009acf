//! The first pass over a full export: validates every line, and indexes the lines in the order of versions.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use prism_contract::keyvalue::Entry;

use crate::client::import::lines::Lines;
use crate::client::jsonl::{MAX_LINE_BYTES, parse_full};

/// Observes the progress of [`build_index`].
pub(super) trait IndexObserver {
    /// A line is invalid; returns whether to continue without it.
    fn bad_line(&mut self, line: u64, why: &str) -> bool;
    /// Reports what was read so far.
    fn advanced(&mut self, bytes: u64, lines: u64, items: u64);
}

/// Why the first pass ended early.
#[derive(Debug)]
pub(super) enum IndexError {
    /// A line is invalid.
    Line { line: u64, why: String },
    /// The file cannot be read.
    Input(io::Error),
}

/// The positions of a file's items, in 20 bytes each: a file of any size is imported in the order of its versions without
/// holding it in memory or sorting it on disk.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The version of each line; 0: the line is left out.
    versions: Vec<i64>,
    /// The byte offset of each line.
    offsets: Vec<u64>,
    /// Line indices in the order of versions.
    order: Vec<u32>,
    /// SHA-256 of the file, in hexadecimal.
    pub(super) sha256: String,
    /// Lines left out because they were invalid.
    pub(super) skipped: u64,
}

/// Validates and indexes all of `input`.
pub(super) fn build_index(
    input: impl BufRead,
    observer: &mut impl IndexObserver,
) -> Result<Index, IndexError> {
    let mut lines = Lines::new(input);
    let mut index = Index::default();
    loop {
        let offset = lines.position().bytes;
        let Some(read) = lines.next_as(parse_full).map_err(IndexError::Input)? else { break };
        let line = read.after.lines;
        let number = u32::try_from(index.versions.len()).map_err(|_| IndexError::Line {
            line,
            why: format!("a full import takes at most {} lines; split the file", u32::MAX),
        })?;
        let version = match read.line {
            Ok(entry) => entry.item.version,
            Err(why) if observer.bad_line(line, &why) => 0,
            Err(why) => return Err(IndexError::Line { line, why }),
        };
        index.versions.push(version);
        index.offsets.push(offset);
        if version == 0 {
            index.skipped += 1;
        } else {
            index.order.push(number);
        }
        observer.advanced(read.after.bytes, line, index.order.len() as u64);
    }
    index.sha256 = lines.position().digest();
    let versions = &index.versions;
    // Items of one Put may share a version (VER-1); they keep the file's order.
    index.order.sort_unstable_by_key(|line| (versions[*line as usize], *line));
    Ok(index)
}

impl Index {
    /// The number of items.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The line number, from 1, of the item at `position` in the order of versions.
    pub(super) fn line(&self, position: usize) -> u64 {
        u64::from(self.order[position]) + 1
    }
}

/// Random access to the items of an indexed file.
pub(super) struct Items {
    file: BufReader<File>,
    at: u64,
    buffer: Vec<u8>,
}

impl Items {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: BufReader::with_capacity(1 << 16, File::open(path)?), at: 0, buffer: Vec::new() })
    }

    /// The item at `position` in the order of versions, and the length of its line in bytes.
    pub(super) fn read(&mut self, index: &Index, position: usize) -> io::Result<(Entry, u64)> {
        let line = index.order[position] as usize;
        let changed = || io::Error::new(io::ErrorKind::InvalidData, "the file changed during the import");
        // A relative seek keeps the buffer: items with adjacent versions are often adjacent in the file.
        let from = i64::try_from(index.offsets[line]).map_err(|_| changed())?;
        let at = i64::try_from(self.at).map_err(|_| changed())?;
        self.file.seek_relative(from - at)?;
        self.buffer.clear();
        let limit = MAX_LINE_BYTES as u64 + 1;
        let bytes = self.file.by_ref().take(limit).read_until(b'\n', &mut self.buffer)? as u64;
        self.at = index.offsets[line] + bytes;
        let text = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let entry = parse_full(text).ok().filter(|entry| entry.item.version == index.versions[line]);
        Ok((entry.ok_or_else(changed)?, bytes))
    }
}
