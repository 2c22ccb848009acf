//! Verifies audit files: that no line was changed, removed, inserted or moved, and that no file of a series is missing.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::chain::{Hash, Line, Link};

/// Maximum bytes of a line: longer than any that is written.
const MOST_LINE: u64 = 8 << 20;
/// Maximum problems that are listed.
const MOST_PROBLEMS: usize = 100;

/// The outcome of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every line is in its place.
    Verified,
    /// So is every whole line, and the last file ends within one. A crash may do that, and so may someone who cuts the file.
    Torn,
    /// There are problems.
    Broken,
}

/// A problem, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    #[serde(serialize_with = "as_text")]
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: String,
}

/// A verified file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// The file.
    #[serde(serialize_with = "as_text")]
    pub file: PathBuf,
    /// The number of whole lines.
    pub lines: u64,
    /// The sequence number of its first line.
    pub first_sequence: Option<u64>,
    /// The sequence number of its last line.
    pub last_sequence: Option<u64>,
    /// The bytes after the last whole line.
    pub torn_bytes: u64,
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The outcome.
    pub verdict: Verdict,
    /// The files, in the order of their sequence numbers.
    pub files: Vec<FileReport>,
    /// The first problems.
    pub problems: Vec<Problem>,
    /// The file that the first one continues, if it is named and was not given.
    pub continues: Option<String>,
    /// The last line's hash.
    pub last_hash: Option<String>,
}

/// A path need not be UTF-8, and JSON is.
fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// Verifies `files`, in any order, as one series. If `expected` is given, it must be the hash of one of the lines.
pub fn verify(files: &[PathBuf], expected: Option<Hash>) -> io::Result<Report> {
    let mut sorted = Vec::new();
    for file in files {
        sorted.push((first_sequence(file)?, file));
    }
    // Files without any line are last: where they belong is not known.
    sorted.sort_by_key(|(sequence, _)| (sequence.is_none(), *sequence));
    let mut check = Check { expected, ..Check::default() };
    for (_, file) in sorted {
        check.file(file)?;
    }
    Ok(check.report())
}

/// The sequence number of the first line that has one.
fn first_sequence(file: &Path) -> io::Result<Option<u64>> {
    let mut lines = Lines::of(file)?;
    while let Some(line) = lines.next()? {
        if let Some(line) = Line::read(line.strip_suffix(b"\n").unwrap_or(line)) {
            return Ok(Some(line.link.sequence));
        }
    }
    Ok(None)
}

struct Lines {
    file: BufReader<File>,
    line: Vec<u8>,
}

impl Lines {
    fn of(file: &Path) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
        Ok(Self {
            file: BufReader::with_capacity(1 << 16, File::open(file).map_err(named)?),
            line: Vec::new(),
        })
    }

    /// The next line with its line break, which a torn one lacks.
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let read = io::Read::take(&mut self.file, MOST_LINE).read_until(b'\n', &mut self.line)?;
        Ok((read > 0).then_some(&self.line))
    }
}

#[derive(Default)]
struct Check {
    expected: Option<Hash>,
    found: bool,
    files: Vec<FileReport>,
    problems: Vec<Problem>,
    continues: Option<String>,
    /// The line that the next one has to continue; `None`: any, since there is none or it could not be read.
    last: Option<Link>,
}

impl Check {
    fn problem(&mut self, file: &Path, line: u64, problem: impl Into<String>) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem { file: file.to_owned(), line, problem: problem.into() });
        }
    }

    fn file(&mut self, path: &Path) -> io::Result<()> {
        let mut lines = Lines::of(path)?;
        let mut report = FileReport {
            file: path.to_owned(),
            lines: 0,
            first_sequence: None,
            last_sequence: None,
            torn_bytes: 0,
        };
        while let Some(line) = lines.next()? {
            let Some(line) = line.strip_suffix(b"\n") else {
                report.torn_bytes = line.len() as u64;
                break;
            };
            report.lines += 1;
            let Some(line) = Line::read(line) else {
                self.problem(path, report.lines, "is not a line of an audit log");
                // What it was is not known, so the next line may continue anything.
                self.last = None;
                continue;
            };
            self.line(path, report.lines, &line);
            report.first_sequence.get_or_insert(line.link.sequence);
            report.last_sequence = Some(line.link.sequence);
        }
        if report.lines == 0 && report.torn_bytes == 0 {
            self.problem(path, 1, "the file is empty");
        }
        self.files.push(report);
        Ok(())
    }

    fn line(&mut self, path: &Path, number: u64, line: &Line) {
        self.found |= self.expected == Some(line.link.hash);
        if !line.intact {
            self.problem(path, number, "the line was changed: its hash is not that of its bytes");
        }
        if number == 1 {
            self.first_line(path, line);
        } else if let Some(last) = self.last {
            let (sequence, before) = (line.link.sequence, last.sequence);
            if sequence > before.saturating_add(1) {
                let missing = sequence - before - 1;
                let lines = if missing == 1 { "line" } else { "lines" };
                let problem = format!(
                    "{missing} {lines} before it missing: sequence number {sequence} follows {before}"
                );
                self.problem(path, number, problem);
            } else if sequence <= before {
                let problem =
                    format!("lines were moved or inserted: sequence number {sequence} follows {before}");
                self.problem(path, number, problem);
            } else if line.prev != last.hash {
                self.problem(
                    path,
                    number,
                    "it does not continue the line before it: one of them was replaced",
                );
            }
        }
        self.last = Some(line.link);
    }

    /// Checks the first line of a file: its header, and what it says of the file before it.
    fn first_line(&mut self, path: &Path, line: &Line) {
        let Some(header) = &line.header else {
            return self.problem(
                path,
                1,
                "the file does not begin with a header: it was removed or replaced",
            );
        };
        let Some(before) = self.files.last() else {
            if line.prev != Hash::NONE {
                self.continues =
                    Some(header.previous.clone().unwrap_or_else(|| "a file of unknown name".to_owned()));
            }
            return;
        };
        if before.torn_bytes != header.torn {
            let problem = format!(
                "{} bytes follow the last whole line, and the next file names {}",
                before.torn_bytes, header.torn
            );
            let (before, last) = (before.file.clone(), before.lines + 1);
            self.problem(&before, last, problem);
        }
        let name = self.files.last().map(|file| file.file.display().to_string()).unwrap_or_default();
        if self.last.is_some_and(|last| line.prev != last.hash || line.link.sequence != last.sequence + 1) {
            let wanted = header.previous.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            let problem = format!(
                "it does not continue {name}: the file before it{wanted} is missing, cut off or replaced"
            );
            self.problem(path, 1, problem);
        }
    }

    fn report(mut self) -> Report {
        let last = self.files.last().map(|file| (file.file.clone(), file.lines));
        if let (Some(_), false, Some((file, lines))) = (self.expected, self.found, last) {
            let problem = "no line has the expected hash: the end was cut off, or lines were written anew";
            self.problem(&file, lines, problem);
        }
        let torn = self.files.last().is_some_and(|file| file.torn_bytes > 0);
        let verdict = match (self.problems.is_empty(), torn) {
            (false, _) => Verdict::Broken,
            (true, true) => Verdict::Torn,
            (true, false) => Verdict::Verified,
        };
        Report {
            verdict,
            files: self.files,
            problems: self.problems,
            continues: self.continues,
            last_hash: self.last.map(|last| last.hash.to_string()),
        }
    }
}
