//! `prism import`: writes records from JSON lines, many concurrently, validated line by line, and resumable.

pub(super) mod backoff;
pub(super) mod engine;
mod full;
pub(super) mod lines;
mod monitor;
pub(super) mod progress;
mod safe;
mod write;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::StyledStr;
use prism_cli::{after_help, examples};
use prism_contract::Namespace;
use prism_wire::clock::SystemClock;
use tokio::sync::mpsc;

use self::engine::{Engine, OnError, Settings};
use self::lines::{Lines, Mark, ReadLine};
use self::monitor::Monitor;
use self::progress::ProgressFile;
use self::write::{NullSink, Sink};
use super::connect::ConnectArgs;
use super::failure::Failure;
use super::out::{Out, note};
use super::{interrupted, time};

/// The arguments of `prism import`.
#[derive(Debug, Args)]
#[command(after_help = examples(EXAMPLES), after_long_help = long_help())]
pub(super) struct ImportArgs {
    /// The namespace to write to
    namespace: String,

    /// The file of JSON lines; '-' is standard input
    file: PathBuf,

    /// What to do with a line that is invalid, or that the server refuses
    #[arg(long, value_enum, value_name = "WHAT", default_value = "stop")]
    on_error: OnError,

    /// Keep the order of versions, priority tokens, times and expiry of a full export ('prism export --full'): writes
    /// directly into the database, and needs no server
    #[arg(long)]
    full: bool,

    /// With --full: the configuration that names the database, as for 'prism serve' [env: PRISM_CONFIG]
    #[arg(long, value_name = "FILE", requires = "full")]
    config: Option<PathBuf>,

    /// With --full: the file of the SQLite database to write into
    #[arg(long, value_name = "PATH", requires = "full")]
    database: Option<String>,

    /// Validate every line and write nothing; needs no server
    #[arg(long, conflicts_with = "resume")]
    check: bool,

    /// Continue a stopped import of this file, from the progress in FILE.prism-progress (--full: FILE.prism-full-progress)
    #[arg(long)]
    resume: bool,

    /// The number of lines to write concurrently
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    in_flight: u16,

    /// How long to retry while the server is unavailable or sheds load
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = time::parse_duration)]
    retry_for: Duration,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

const EXAMPLES: &[(&str, &str)] = &[
    (
        "Check a file, then write its records",
        "prism import demo demo.jsonl --check\nprism import demo demo.jsonl",
    ),
    ("From another command", "prism export demo | prism import copy -"),
    ("A full export, directly into a database", "prism import demo full.jsonl --full --database new.db"),
];

fn long_help() -> StyledStr {
    after_help(&format!("{FORMAT}\n\n{}", examples(EXAMPLES)))
}

const FORMAT: &str = "\
A line is one write to one record, 1 to 1,000 items and at most 4 MiB of keys and values:

  {\"id\":\"user:1\",\"items\":[{\"key\":\"city\",\"value\":\"Paris\"},{\"key\":\"name\",\"value\":\"Alice\"}]}

A key or value that is not UTF-8 is given in base64, as key_base64 or value_base64. An item may also have content_type
(text), compression (a number, or gzip, zstd, lz4, snappy, brotli) and expires_at (RFC 3339, to the microsecond). Items of
one line with different expiry times are written one expiry time after the other; expired items are left out. Items that a
line does not name are unchanged.

Lines that write the same item are written in the file's order. A stopped import can be continued with --resume; the lines
that were in flight are then written again, with the same result.

With --full the file must come from 'prism export --full'. It is read twice and written in the order of its versions, into the
database that --config, --database or the environment names (the connection options are not used). Every item keeps its
priority token, times and expiry, and gets a new version; the new versions have the same order as the old ones. An item that
already exists and differs is refused; one that is the same is written again.";

impl ImportArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        if self.full {
            return full::run(self, out).await;
        }
        Namespace::new(&self.namespace).map_err(|why| Failure::usage(format!("the namespace {why}")))?;
        if self.check {
            let mut monitor = Monitor::new(&self.file, None, self.size(), &self.connect);
            return self.import(&NullSink, &mut monitor, None, out).await;
        }
        let progress = self.progress_file()?;
        let done = match &progress {
            Some(file) if self.resume => file.load().map_err(Failure::failed)?,
            Some(_) | None => None,
        };
        let client = self.connect.connect().await?;
        let mut monitor = Monitor::new(&self.file, progress, self.size(), &self.connect);
        self.import(&client, &mut monitor, done, out).await
    }

    async fn import(
        &self,
        sink: &impl Sink,
        monitor: &mut Monitor,
        done: Option<progress::Saved>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let (lines, start) = self.lines(done)?;
        monitor.begin(&start, self.resume)?;
        let settings = Settings {
            namespace: self.namespace.clone(),
            in_flight: usize::from(self.in_flight),
            on_error: self.on_error,
            retry_for: self.retry_for,
        };
        let engine = Engine::new(sink, &SystemClock, &settings, monitor, start);
        let (totals, safe, stop) = engine.run(lines, interrupted()).await;
        monitor.end(&totals, &safe, stop, self.check, out)
    }

    /// The progress file; none for standard input, which cannot be read again.
    fn progress_file(&self) -> Result<Option<ProgressFile>, Failure> {
        if !self.is_stdin() {
            return Ok(Some(ProgressFile::beside(&self.file, &self.namespace)));
        }
        if self.resume {
            return Err(Failure::usage(
                "standard input cannot be resumed, since it cannot be read again; import a file",
            ));
        }
        Ok(None)
    }

    fn is_stdin(&self) -> bool {
        self.file == Path::new("-")
    }

    /// The input's length in bytes, if known.
    fn size(&self) -> Option<u64> {
        if self.is_stdin() {
            return None;
        }
        self.file.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len())
    }

    /// Opens the input, and reads it on a separate thread: reading and validating lines does not delay the writes in flight.
    /// Not a task: a blocked read of standard input must not keep the process from exiting.
    fn lines(
        &self,
        done: Option<progress::Saved>,
    ) -> Result<(mpsc::Receiver<io::Result<ReadLine>>, Mark), Failure> {
        let unreadable =
            |error: io::Error| Failure::usage(format!("cannot read {}: {error}", self.file.display()));
        let input: Box<dyn Read + Send> = if self.is_stdin() {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(&self.file).map_err(unreadable)?)
        };
        let mut lines = Lines::new(BufReader::with_capacity(1 << 18, input));
        if let Some(done) = done
            && !lines.skip(done.lines, done.bytes, &done.sha256).map_err(unreadable)?
        {
            return Err(Failure::failed(format!(
                "the first {} lines of {} differ from those that were imported; start over without --resume",
                done.lines,
                self.file.display()
            )));
        }
        let start = lines.position().clone();
        // A short buffer keeps the writer busy; each line may be megabytes.
        let (sender, receiver) = mpsc::channel(4);
        std::thread::spawn(move || {
            while let Some(read) = lines.next().transpose() {
                let failed = read.is_err();
                if sender.blocking_send(read).is_err() || failed {
                    break;
                }
            }
        });
        Ok((receiver, start))
    }
}

/// Notes that saved progress of an earlier import is not used.
fn note_unused(progress: &ProgressFile) {
    if let Ok(Some(saved)) = progress.load()
        && saved.lines > 0
    {
        note(&format!(
            "note: starting over; an earlier import stopped after line {}, where --resume would continue",
            saved.lines
        ));
    }
}
