//! Reads the input line by line, with at most one line in memory, and tracks the position.

use std::io::{self, BufRead, Read};

use sha2::{Digest, Sha256};

use crate::client::jsonl::{self, Line, MAX_LINE_BYTES};

/// A position between two lines: the lines and bytes before it, and their hash, which detects a changed input.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Mark {
    /// Lines before it.
    pub(in super::super) lines: u64,
    /// Bytes before it.
    pub(in super::super) bytes: u64,
    hash: Sha256,
}

impl Mark {
    /// SHA-256 of the bytes before it, in hexadecimal.
    pub(in super::super) fn digest(&self) -> String {
        use std::fmt::Write;
        self.hash.clone().finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
    }
}

/// A line of the input.
#[derive(Debug)]
pub(in super::super) struct ReadLine<T = Line> {
    /// The position after it; `after.lines` is its line number.
    pub(in super::super) after: Mark,
    /// The parsed line, or why it is invalid.
    pub(in super::super) line: Result<T, String>,
}

/// The lines of an input.
pub(in super::super) struct Lines<R> {
    input: R,
    position: Mark,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// The lines of `input` from its start.
    pub(in super::super) fn new(input: R) -> Self {
        Self { input, position: Mark::default(), buffer: Vec::new() }
    }

    /// The position before the next line.
    pub(in super::super) fn position(&self) -> &Mark {
        &self.position
    }

    /// Skips lines done by an earlier run: `lines` lines of `bytes` bytes with this digest. `false`: the input differs.
    pub(in super::super) fn skip(&mut self, lines: u64, bytes: u64, digest: &str) -> io::Result<bool> {
        let mut rest = self.input.by_ref().take(bytes);
        loop {
            let chunk = rest.fill_buf()?;
            if chunk.is_empty() {
                break;
            }
            let length = chunk.len();
            self.position.add(chunk);
            rest.consume(length);
        }
        self.position.lines = lines;
        Ok(self.position.bytes == bytes && self.position.digest() == digest)
    }

    /// The next line; `None` after the last.
    pub(in super::super) fn next(&mut self) -> io::Result<Option<ReadLine>> {
        self.next_as(jsonl::parse)
    }

    /// The next line, parsed by `parse`; `None` after the last.
    pub(in super::super) fn next_as<T>(
        &mut self,
        parse: impl Fn(&[u8]) -> Result<T, String>,
    ) -> io::Result<Option<ReadLine<T>>> {
        self.buffer.clear();
        let limit = MAX_LINE_BYTES as u64 + 1;
        if self.input.by_ref().take(limit).read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(None);
        }
        self.position.lines += 1;
        self.position.add(&self.buffer);
        let line = match self.buffer.strip_suffix(b"\n") {
            Some(line) => parse(line),
            None if self.buffer.len() as u64 == limit => {
                self.skip_line()?;
                Err(jsonl::too_long())
            }
            // The last line needs no newline.
            None => parse(&self.buffer),
        };
        Ok(Some(ReadLine { after: self.position.clone(), line }))
    }

    /// Discards the rest of a line.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let chunk = self.input.fill_buf()?;
            let newline = chunk.iter().position(|byte| *byte == b'\n');
            let length = newline.map_or(chunk.len(), |at| at + 1);
            self.position.add(&chunk[..length]);
            self.input.consume(length);
            if newline.is_some() || length == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "{\"id\":\"a\",\"items\":[{\"key\":\"k\",\"value\":\"\"}]}\nbad\n";

    fn next(lines: &mut Lines<&[u8]>) -> Option<(u64, u64, bool)> {
        let read = lines.next().unwrap()?;
        Some((read.after.lines, read.after.bytes, read.line.is_ok()))
    }

    #[test]
    fn each_line_is_numbered_from_one_and_the_last_needs_no_newline() {
        let input = format!("{TWO}{}", TWO.lines().next().unwrap());
        let mut lines = Lines::new(input.as_bytes());
        assert_eq!(next(&mut lines), Some((1, 44, true)));
        assert_eq!(next(&mut lines), Some((2, 48, false)));
        assert_eq!(next(&mut lines), Some((3, 91, true)));
        assert_eq!(next(&mut lines), None);
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_and_the_next_is_read() {
        let mut input = vec![b' '; MAX_LINE_BYTES + 10];
        input.push(b'\n');
        input.extend(TWO.as_bytes());
        let mut lines = Lines::new(&input[..]);
        let first = lines.next().unwrap().unwrap();
        assert!(first.line.unwrap_err().contains("longer than"));
        assert_eq!(next(&mut lines).map(|(line, _, good)| (line, good)), Some((2, true)));
    }

    #[test]
    fn completed_lines_are_skipped_only_if_they_are_unchanged() {
        let mut whole = Lines::new(TWO.as_bytes());
        let after = whole.next().unwrap().unwrap().after;
        let skip = |input: &str| {
            let mut lines = Lines::new(input.as_bytes());
            let same = lines.skip(after.lines, after.bytes, &after.digest()).unwrap();
            same.then(|| next(&mut lines))
        };
        assert_eq!(skip(TWO), Some(Some((2, 48, false))));
        assert_eq!(skip(&TWO.replace("bad", "fixed")).map(|next| next.map(|(line, ..)| line)), Some(Some(2)));
        assert_eq!(skip(&TWO.replace("\"a\"", "\"b\"")), None);
        assert_eq!(skip(&TWO[..20]), None);
    }
}
