//! `prism import`: writes records from JSON lines, many at once, checked line by line, and goes on where it was stopped.

mod engine;
mod full;
mod lines;
mod monitor;
mod patience;
mod progress;
mod safe;
mod write;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use prism_contract::Namespace;
use prism_wire::clock::SystemClock;
use tokio::sync::mpsc;

use self::engine::{Engine, OnError, Settings};
use self::lines::{Lines, Mark, ReadLine};
use self::monitor::Monitor;
use self::progress::ProgressFile;
use self::write::{Nowhere, Sink};
use super::connect::ConnectArgs;
use super::failure::Failure;
use super::out::{Out, note};
use super::{interrupted, time};

/// The arguments of `prism import`.
#[derive(Debug, Args)]
#[command(after_long_help = FORMAT)]
pub(super) struct ImportArgs {
    /// The namespace to write to
    namespace: String,

    /// The JSON lines; '-' is standard input
    file: PathBuf,

    /// What to do with a line that is wrong, or that the server refuses
    #[arg(long, value_enum, value_name = "WHAT", default_value = "stop")]
    on_error: OnError,

    /// Keep the order of versions, priority tokens, times and expiry of a full export ('prism export --full'): writes into
    /// the database itself, and needs no server
    #[arg(long)]
    full: bool,

    /// With --full: the configuration that names the database, as for 'prism serve' [env: PRISM_CONFIG]
    #[arg(long, value_name = "FILE", requires = "full")]
    config: Option<PathBuf>,

    /// With --full: the file of the SQLite database to write into
    #[arg(long, value_name = "PATH", requires = "full")]
    database: Option<String>,

    /// Check every line and write nothing; needs no server
    #[arg(long, conflicts_with = "resume")]
    check: bool,

    /// Go on where an import of this file was stopped, as FILE.prism-progress (with --full: FILE.prism-full-progress) says
    #[arg(long)]
    resume: bool,

    /// How many lines to write at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    in_flight: u16,

    /// How long to try again while the server is away or sheds load
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = time::parse_span)]
    retry_for: Duration,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

const FORMAT: &str = "\
A line is one write to one record, 1 to 1,000 items and at most 4 MiB of keys and values:

  {\"id\":\"user:1\",\"items\":[{\"key\":\"city\",\"value\":\"Paris\"},{\"key\":\"name\",\"value\":\"Alice\"}]}

A key or value that is not UTF-8 is written in base64, as key_base64 or value_base64. An item may also have content_type
(text), compression (a number, or gzip, zstd, lz4, snappy, brotli) and expires_at (RFC 3339, to the microsecond). Items of
one line that expire at different moments are written one moment after the other; what has expired already is left out.
Items that a line does not name stay as they are.

Lines that write the same item are written in the file's order. An import that stops can go on with --resume; the lines
that were in flight are then written again, which leaves the same items there.

With --full the file is one that 'prism export --full' wrote. It is read twice and written in the order of its versions, into
the database that --config, --database or the environment names (the options of a connection are not used). Every item
comes out with its priority token, times and expiry, and with a new version: an item that had a higher version than another
has a higher one again. An item that is there already and differs is refused; one that is the same is written again.";

impl ImportArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        if self.full {
            return full::run(self, out).await;
        }
        Namespace::new(&self.namespace).map_err(|why| Failure::Usage(format!("the namespace {why}")))?;
        if self.check {
            let mut monitor = Monitor::new(&self.file, None, self.size(), &self.connect);
            return self.import(&Nowhere, &mut monitor, None, out).await;
        }
        let progress = self.progress_file()?;
        let done = match &progress {
            Some(file) if self.resume => file.load().map_err(Failure::Failed)?,
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

    /// Where progress is kept; standard input cannot be read again, so for it there is none.
    fn progress_file(&self) -> Result<Option<ProgressFile>, Failure> {
        if !self.is_stdin() {
            return Ok(Some(ProgressFile::beside(&self.file, &self.namespace)));
        }
        if self.resume {
            return Err(Failure::Usage(
                "standard input cannot be resumed, since it cannot be read again; import a file".to_owned(),
            ));
        }
        Ok(None)
    }

    fn is_stdin(&self) -> bool {
        self.file == Path::new("-")
    }

    /// The input's length in bytes, where it is known.
    fn size(&self) -> Option<u64> {
        if self.is_stdin() {
            return None;
        }
        self.file.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len())
    }

    /// Opens the input, and reads it on a thread of its own: reading a line and checking it take no time from those in
    /// flight. Not a task: a read of standard input that waits must not keep the process from ending.
    fn lines(
        &self,
        done: Option<progress::Saved>,
    ) -> Result<(mpsc::Receiver<io::Result<ReadLine>>, Mark), Failure> {
        let failed =
            |error: io::Error| Failure::Failed(format!("cannot read {}: {error}", self.file.display()));
        let input: Box<dyn Read + Send> = if self.is_stdin() {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(&self.file).map_err(failed)?)
        };
        let mut lines = Lines::new(BufReader::with_capacity(1 << 18, input));
        if let Some(done) = done
            && !lines.skip(done.lines, done.bytes, &done.sha256).map_err(failed)?
        {
            return Err(Failure::Failed(format!(
                "the first {} lines of {} are not those that were imported; start over without --resume",
                done.lines,
                self.file.display()
            )));
        }
        let start = lines.at().clone();
        // A few lines ahead are enough to keep the writer busy; each may be megabytes.
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

/// Says that an earlier import left progress behind, which this one will not use.
fn note_unused(progress: &ProgressFile) {
    if let Ok(Some(saved)) = progress.load()
        && saved.lines > 0
    {
        note(&format!(
            "note: starting over; an earlier import got to line {}, from which --resume would go on",
            saved.lines
        ));
    }
}
