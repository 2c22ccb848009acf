//! Standard output, as lines of text or JSON; and notes on standard error.

use std::io::{self, BufWriter, Stdout, Write};

use serde::Serialize;

use super::failure::Failure;
use crate::terminal::{Screen, printable, printable_json};

/// Standard output, buffered.
pub(super) struct Out {
    writer: BufWriter<Stdout>,
    /// How it shows results.
    pub(super) screen: Screen,
}

impl Out {
    /// The standard output of the process.
    pub(super) fn new() -> Self {
        Self { writer: BufWriter::with_capacity(1 << 16, io::stdout()), screen: Screen::stdout() }
    }

    /// Whether it is a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        self.screen.width.is_some()
    }

    /// Whether it is a file.
    pub(super) fn is_file(&self) -> bool {
        is_file(self.writer.get_ref())
    }

    /// Writes a line of text and its newline.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.writer, "{text}").map_err(|error| Failure::output(&error))
    }

    /// Writes a line of JSON and its newline. On a terminal, what could command it is escaped as JSON allows.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .expect("serializing to JSON cannot fail: all member names are strings");
        if self.is_terminal() { self.line(&printable_json(&text)) } else { self.line(&text) }
    }

    /// Writes bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.writer.write_all(bytes).map_err(|error| Failure::output(&error))
    }

    /// Flushes the buffer.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| Failure::output(&error))
    }
}

/// Whether standard output is a file.
#[cfg(unix)]
pub(super) fn is_file(stdout: &Stdout) -> bool {
    use std::os::fd::AsFd;
    let file = stdout.as_fd().try_clone_to_owned().map(std::fs::File::from);
    file.and_then(|file| file.metadata()).is_ok_and(|metadata| metadata.is_file())
}

#[cfg(not(unix))]
pub(super) fn is_file(_: &Stdout) -> bool {
    false
}

/// Prints a note or a summary on standard error.
pub(super) fn note(text: &str) {
    // A failure to print a note is ignored.
    let _ = writeln!(io::stderr(), "{}", printable(text));
}

/// A number with thousands separators, such as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun, such as `1 item` or `2,000 items`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_has_thousands_separators_and_the_right_plural() {
        assert_eq!(count(0, "item"), "0 items");
        assert_eq!(count(1, "item"), "1 item");
        assert_eq!(count(999, "item"), "999 items");
        assert_eq!(count(1_000, "item"), "1,000 items");
        assert_eq!(count(12_345_678, "item"), "12,345,678 items");
    }
}
