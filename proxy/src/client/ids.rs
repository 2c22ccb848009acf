//! The ids of many records: given as options, or read from a file line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use futures::Stream;
use futures::stream;
use prism_contract::keyvalue::Limits;
use tokio::sync::mpsc;

use super::failure::Failure;

/// Lines that may be read ahead of the calls.
const READ_AHEAD: usize = 64;
/// Maximum line length in bytes: an id, a carriage return and a newline.
const MAX_LINE_BYTES: u64 = Limits::V1.id_bytes as u64 + 2;

/// The options that name many records.
#[derive(Debug, Clone, Args)]
pub(super) struct IdArgs {
    /// Read this record, in place of the argument ID; may be repeated
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,

    /// Read the records whose ids are the lines of a file; '-' is standard input. Empty lines are skipped
    #[arg(long, value_name = "FILE", conflicts_with = "ids")]
    ids_from: Option<PathBuf>,
}

impl IdArgs {
    /// Whether one of the options is given.
    pub(super) fn are_given(&self) -> bool {
        !self.ids.is_empty() || self.ids_from.is_some()
    }

    /// The ids, in their order. Ends after an error.
    pub(super) fn stream(&self) -> Result<impl Stream<Item = Result<String, Failure>> + use<>, Failure> {
        // One of the two is empty.
        let given = stream::iter(self.ids.clone().into_iter().map(Ok));
        let lines = self.ids_from.as_deref().map(lines).transpose()?;
        let lines = stream::unfold(lines, |lines| async {
            let mut lines = lines?;
            lines.recv().await.map(|line| (line, Some(lines)))
        });
        Ok(futures::StreamExt::chain(given, lines))
    }
}

/// The lines of a file, read on a separate thread: a slow writer of standard input must not delay the calls in flight.
fn lines(path: &Path) -> Result<mpsc::Receiver<Result<String, Failure>>, Failure> {
    let name = path.display().to_string();
    let input: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?)
    };
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    std::thread::spawn(move || {
        let ids = Ids { input: BufReader::new(input), name, line: 0 };
        for id in ids {
            let failed = id.is_err();
            if sender.blocking_send(id).is_err() || failed {
                break;
            }
        }
    });
    Ok(receiver)
}

/// The ids in the lines of a file.
struct Ids<R> {
    input: R,
    name: String,
    line: u64,
}

impl<R: BufRead> Iterator for Ids<R> {
    type Item = Result<String, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.line += 1;
            let mut line = Vec::new();
            match (&mut self.input).take(MAX_LINE_BYTES).read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(Err(self.refused(&format!("cannot be read: {error}")))),
            }
            let is_long = line.len() as u64 == MAX_LINE_BYTES && !line.ends_with(b"\n");
            let id = line.strip_suffix(b"\n").unwrap_or(&line);
            let id = id.strip_suffix(b"\r").unwrap_or(id);
            if is_long {
                let max = Limits::V1.id_bytes;
                return Some(Err(
                    self.refused(&format!("is too long for an id; 1 to {max} bytes are allowed"))
                ));
            }
            match std::str::from_utf8(id) {
                Ok("") => {}
                Ok(id) => return Some(Ok(id.to_owned())),
                Err(_) => return Some(Err(self.refused("is not UTF-8, as every id is"))),
            }
        }
    }
}

impl<R> Ids<R> {
    fn refused(&self, why: &str) -> Failure {
        Failure::usage(format!("{}:{}: {why}", self.name, self.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &[u8]) -> Vec<Result<String, String>> {
        let ids = Ids { input: text, name: "f".to_owned(), line: 0 };
        ids.map(|id| {
            id.map_err(|failure| match failure {
                Failure::Exit(error) => error.message,
                other => panic!("{other:?}"),
            })
        })
        .collect()
    }

    #[test]
    fn each_line_is_an_id_and_empty_lines_are_skipped() {
        let expected = ["user:1", " with space", "last"].map(|id| Ok(id.to_owned()));
        assert_eq!(ids(b"user:1\r\n\n with space\nlast"), expected);
        let longest = "i".repeat(512);
        assert_eq!(ids(format!("{longest}\r\n{longest}").as_bytes()), [Ok(longest.clone()), Ok(longest)]);
    }

    #[test]
    fn a_line_that_is_no_id_is_refused_with_its_number() {
        let long = ids(format!("a\n{}\n", "i".repeat(600)).as_bytes());
        assert_eq!(long[1], Err("f:2: is too long for an id; 1 to 512 bytes are allowed".to_owned()));
        assert_eq!(ids(b"\n\xff\n")[0], Err("f:2: is not UTF-8, as every id is".to_owned()));
    }
}
