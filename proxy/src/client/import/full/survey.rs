//! The first reading of a full export: every line checked, and where each stands in the order of versions.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use prism_contract::keyvalue::Entry;

use crate::client::import::lines::Lines;
use crate::client::jsonl::{MAX_LINE_BYTES, parse_full};

/// Hears how a survey goes.
pub(super) trait Surveyor {
    /// A line is wrong; whether to go on without it.
    fn bad_line(&mut self, line: u64, why: &str) -> bool;
    /// This much was read.
    fn moved(&mut self, bytes: u64, lines: u64, items: u64);
}

/// Why a survey ended early.
#[derive(Debug)]
pub(super) enum Refused {
    /// A line is wrong.
    Line { line: u64, why: String },
    /// The file cannot be read.
    Input(io::Error),
}

/// Where the items of a file stand, in 20 bytes each: a file of any size is imported in the order of its versions without
/// holding it in memory, and without sorting it on disk.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By line: its version; 0 for a line that is left out.
    versions: Vec<i64>,
    /// By line: where it begins.
    offsets: Vec<u64>,
    /// Lines in the order of their versions.
    order: Vec<u32>,
    /// SHA-256 of the file, in hexadecimal.
    pub(super) sha256: String,
    /// Lines that were left out, since they were wrong.
    pub(super) skipped: u64,
}

/// Reads all of `input`.
pub(super) fn survey(input: impl BufRead, surveyor: &mut impl Surveyor) -> Result<Index, Refused> {
    let mut lines = Lines::new(input);
    let mut index = Index::default();
    loop {
        let offset = lines.at().bytes;
        let Some(read) = lines.next_as(parse_full).map_err(Refused::Input)? else { break };
        let line = read.after.lines;
        let number = u32::try_from(index.versions.len()).map_err(|_| Refused::Line {
            line,
            why: format!("a full import takes at most {} lines; split the file", u32::MAX),
        })?;
        let version = match read.line {
            Ok(entry) => entry.item.version,
            Err(why) if surveyor.bad_line(line, &why) => 0,
            Err(why) => return Err(Refused::Line { line, why }),
        };
        index.versions.push(version);
        index.offsets.push(offset);
        if version == 0 {
            index.skipped += 1;
        } else {
            index.order.push(number);
        }
        surveyor.moved(read.after.bytes, line, index.order.len() as u64);
    }
    index.sha256 = lines.at().digest();
    let versions = &index.versions;
    // Two items may share a version, where one Put wrote both (VER-1); the file's order stands for theirs.
    index.order.sort_unstable_by_key(|line| (versions[*line as usize], *line));
    Ok(index)
}

impl Index {
    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The number of the line, from 1, of the item at `place` in the order of versions.
    pub(super) fn line(&self, place: usize) -> u64 {
        u64::from(self.order[place]) + 1
    }
}

/// The items of a file that was surveyed, read one by one in any order.
pub(super) struct Items {
    file: BufReader<File>,
    at: u64,
    buffer: Vec<u8>,
}

impl Items {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: BufReader::with_capacity(1 << 16, File::open(path)?), at: 0, buffer: Vec::new() })
    }

    /// The item at `place` in the order of versions, and how many bytes its line has.
    pub(super) fn read(&mut self, index: &Index, place: usize) -> io::Result<(Entry, u64)> {
        let line = index.order[place] as usize;
        let changed = || io::Error::new(io::ErrorKind::InvalidData, "it changed while it was imported");
        // Relative, because items that were written one after the other often stand side by side.
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
