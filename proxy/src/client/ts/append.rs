//! `prism ts append`: writes events from JSON lines in batches, several at a time, resumable; or one event.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use clap::builder::StyledStr;
use futures::stream::{self, StreamExt};
use prism_cli::{after_help, examples};
use prism_contract::timeseries::request::{AppendRequest, AppendResult, EventInput};
use prism_contract::{Namespace, Timestamp};
use prism_wire::channel::CallError;
use prism_wire::clock::{Clock, SystemClock};
use prism_wire::timeseries::Client;
use serde_json::json;
use tonic::Code;

use super::input::{Batch, Part, Reading, read};
use super::line::{check, time_input};
use super::range::{tag, time};
use crate::client::connect::ConnectArgs;
use crate::client::failure::{Failure, call_exit, call_text};
use crate::client::import::backoff::Backoff;
use crate::client::import::engine::OnError;
use crate::client::import::lines::{Lines, Mark};
use crate::client::import::progress::ProgressFile;
use crate::client::interrupted;
use crate::client::meter::Meter;
use crate::client::out::{Out, count, grouped, note};
use crate::client::time::parse_duration;
use crate::exit::Exit;

/// Time between two saves of the progress: bounds the work repeated after a kill.
const SAVE_EVERY: Duration = Duration::from_millis(500);

/// The arguments of `prism ts append`.
#[derive(Debug, Args)]
#[command(after_help = examples(EXAMPLES), after_long_help = long_help())]
pub(super) struct AppendArgs {
    /// The namespace
    namespace: String,

    /// The series of events that name none
    series: Option<String>,

    /// The file of JSON lines; '-' is standard input
    #[arg(long, value_name = "FILE", default_value = "-", conflicts_with_all = ["payload", "tags", "time", "id"])]
    file: PathBuf,

    /// Write one event with this payload instead
    #[arg(long, value_name = "TEXT", requires = "series")]
    payload: Option<String>,

    /// A tag of the one event; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag, requires = "payload")]
    tags: Vec<(String, String)>,

    /// The time of the one event [default: the server's time]
    #[arg(long, value_name = "TIME", value_parser = time, requires = "payload")]
    time: Option<Timestamp>,

    /// The id of the one event [default: a unique one]
    #[arg(long, value_name = "ID", requires = "payload")]
    id: Option<String>,

    /// What to do with a line that is invalid, or that the server refuses
    #[arg(long, value_enum, value_name = "WHAT", default_value = "stop")]
    on_error: OnError,

    /// Continue a stopped run over this file, from the progress in FILE.prism-append-progress
    #[arg(long)]
    resume: bool,

    /// The number of events in a call
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    batch: u16,

    /// The number of calls at a time; with more than one, events may be appended in another order than that of the lines
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    in_flight: u16,

    /// How long to retry while the server is unavailable or sheds load
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = parse_duration)]
    retry_for: Duration,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

const EXAMPLES: &[(&str, &str)] = &[
    ("One event, with the server's time", "prism ts append logs web-1 --payload 'GET /' --tag status=200"),
    (
        "The lines of a file, and those of another command",
        "prism ts query logs web-1 --json > events.jsonl\nprism ts append logs web-2 --file events.jsonl\n\
         prism ts query logs web-1 --json | prism ts append logs web-3",
    ),
];

const FORMAT: &str = "\
A line is an event:

  {\"series\":\"web-1\",\"time\":\"2030-01-02T03:04:05.678901Z\",\"id\":\"a7\",\"payload\":\"GET /\",\"tags\":{\"status\":\"200\"}}

Every member may be left out: series if the command names one, time for the time of the command, id for one made from the
number and the bytes of the line, so that the lines of a file can be appended again with the same result if they have times.
A payload or id that is not UTF-8 is given in base64, as payload_base64 or id_base64; content_type is text.

Events that were there already are counted as duplicates. A stopped run over a file can be continued with --resume.";

fn long_help() -> StyledStr {
    after_help(&format!("{FORMAT}\n\n{}", examples(EXAMPLES)))
}

/// Counts of this run so far.
#[derive(Debug, Default)]
struct Totals {
    appended: u64,
    duplicates: u64,
    skipped: u64,
}

/// Why a run ended before the end of its input.
enum Stop {
    Interrupted,
    Line(u64, String),
    Call(Option<u64>, CallError),
    Input(io::Error),
    Progress(io::Error),
}

/// The outcome of a batch.
struct Done {
    after: Mark,
    results: Vec<AppendResult>,
    /// Lines that the server refused, and why.
    refused: Vec<(u64, String)>,
}

impl AppendArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        Namespace::new(&self.namespace).map_err(|why| Failure::usage(format!("the namespace {why}")))?;
        match &self.payload {
            Some(payload) => self.one(payload, out).await,
            None => self.lines(out).await,
        }
    }

    async fn one(&self, payload: &str, out: &mut Out) -> Result<(), Failure> {
        let event = EventInput {
            series: self.series.clone().unwrap_or_default(),
            time: self.time.map(time_input),
            id: self.id.clone().map(Bytes::from).unwrap_or_default(),
            payload: payload.to_owned().into(),
            content_type: String::new(),
            tags: self.tags.iter().cloned().collect(),
            is_missing: false,
        };
        if self.id.is_some() {
            check(&event).map_err(Failure::usage)?;
        }
        let request = AppendRequest { namespace: self.namespace.clone(), events: vec![event] };
        let response = self.connect.timeseries().await?.append(request).await?;
        let duplicates = response.results.iter().filter(|result| result.duplicate).count() as u64;
        let totals = Totals { appended: 1 - duplicates, duplicates, skipped: 0 };
        self.summary(&totals, true, 0, out)
    }

    async fn lines(&self, out: &mut Out) -> Result<(), Failure> {
        let progress = self.progress()?;
        let mut lines = Lines::new(BufReader::with_capacity(1 << 18, self.open()?));
        self.skip_done(progress.as_ref(), &mut lines)?;
        let start = lines.position().clone();
        if let Some(progress) = &progress {
            progress.save(&start).map_err(|error| {
                let path = progress.path().display();
                Failure::failed(format!(
                    "cannot save progress in {path}: {error}; give the lines on standard input"
                ))
            })?;
        }
        let client = self.connect.timeseries().await?;
        let meter = Meter::new(self.size());
        meter.start_at(start.bytes);
        let mut run = Run {
            args: self,
            progress,
            meter,
            saved: Instant::now(),
            safe: start,
            totals: Totals::default(),
        };
        let stop = run.all(&client, lines).await;
        run.end(stop, out)
    }

    /// The progress file; none for standard input, which cannot be read again.
    fn progress(&self) -> Result<Option<ProgressFile>, Failure> {
        if !self.is_stdin() {
            return Ok(Some(ProgressFile::of_append(&self.file, &self.namespace)));
        }
        if self.resume {
            return Err(Failure::usage(
                "standard input cannot be resumed, since it cannot be read again; give --file",
            ));
        }
        Ok(None)
    }

    fn is_stdin(&self) -> bool {
        self.file == Path::new("-")
    }

    fn size(&self) -> Option<u64> {
        if self.is_stdin() {
            return None;
        }
        self.file.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len())
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::usage(format!("cannot read {}: {error}", self.file.display()))
    }

    fn open(&self) -> Result<Box<dyn Read + Send>, Failure> {
        if self.is_stdin() {
            return Ok(Box::new(io::stdin()));
        }
        Ok(Box::new(File::open(&self.file).map_err(|error| self.unreadable(&error))?))
    }

    /// With `--resume`, skips the lines of an earlier run.
    fn skip_done<R: io::BufRead>(
        &self,
        progress: Option<&ProgressFile>,
        lines: &mut Lines<R>,
    ) -> Result<(), Failure> {
        let Some(file) = progress.filter(|_| self.resume) else { return Ok(()) };
        let Some(done) = file.load().map_err(Failure::failed)? else {
            note("note: no saved progress; starting with the first line");
            return Ok(());
        };
        if !lines.skip(done.lines, done.bytes, &done.sha256).map_err(|error| self.unreadable(&error))? {
            return Err(Failure::failed(format!(
                "the first {} lines of {} differ from those that were appended; start over without --resume",
                done.lines,
                self.file.display()
            )));
        }
        note(&format!("resuming after line {}", grouped(done.lines)));
        Ok(())
    }

    fn summary(
        &self,
        totals: &Totals,
        complete: bool,
        safe_lines: u64,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let Totals { appended, duplicates, skipped } = totals;
        if self.connect.json {
            return out.json(&json!({
                "complete": complete,
                "appended": appended,
                "duplicates": duplicates,
                "skipped": skipped,
                "safe_lines": safe_lines,
            }));
        }
        let mut parts = vec![format!("{} appended", count(*appended, "event"))];
        if *duplicates > 0 {
            parts.push(format!("{} already there", count(*duplicates, "event")));
        }
        if *skipped > 0 {
            parts.push(format!("{} skipped", count(*skipped, "bad line")));
        }
        out.line(&parts.join(", "))
    }

    /// Appends a batch, with retries on transient failures; every event has time and id, so a repeat is safe. Events that the
    /// server refuses are left out if that is asked for.
    async fn append(&self, client: &Client, mut batch: Batch) -> Result<Done, (Option<u64>, CallError)> {
        let (mut backoff, mut refused) = (Backoff::new(self.retry_for), Vec::new());
        loop {
            if batch.events.is_empty() {
                return Ok(Done { after: batch.after, results: Vec::new(), refused });
            }
            let request = AppendRequest { namespace: self.namespace.clone(), events: batch.events.clone() };
            let error = match client.append(request).await {
                Ok(response) => return Ok(Done { after: batch.after, results: response.results, refused }),
                Err(error) => error,
            };
            let Some(status) = error.status() else { return Err((None, error)) };
            let faults: Vec<_> = status
                .violations
                .iter()
                .filter_map(|of| Some((event_of(&of.field)?, of.description.clone())))
                .collect();
            let first = faults.first().and_then(|(at, _)| batch.lines.get(*at)).copied();
            if status.code == Code::InvalidArgument && self.on_error == OnError::Skip && first.is_some() {
                for (at, why) in faults.into_iter().rev() {
                    if at < batch.events.len() {
                        batch.events.remove(at);
                        refused.push((batch.lines.remove(at), why));
                    }
                }
                continue;
            }
            let is_transient =
                matches!(status.code, Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded);
            let delay =
                is_transient.then(|| backoff.next_delay(status.retry_after.unwrap_or_default())).flatten();
            let Some(delay) = delay else { return Err((first, error)) };
            tokio::time::sleep(delay).await;
        }
    }
}

/// The index in the path of a violation, such as `events[3].event.time`.
fn event_of(field: &str) -> Option<usize> {
    field.strip_prefix("events[")?.split_once(']')?.0.parse().ok()
}

/// A run over the lines of an input.
struct Run<'a> {
    args: &'a AppendArgs,
    progress: Option<ProgressFile>,
    meter: Meter,
    saved: Instant,
    /// The end of the lines that are written.
    safe: Mark,
    totals: Totals,
}

impl Run<'_> {
    /// Appends all lines; returns why it ended early.
    async fn all<R: io::BufRead + Send + 'static>(
        &mut self,
        client: &Client,
        lines: Lines<R>,
    ) -> Option<Stop> {
        let reading = Reading {
            series: self.args.series.clone(),
            now: SystemClock.now(),
            events: usize::from(self.args.batch),
        };
        let (args, parts) = (self.args, read(lines, reading));
        let parts = stream::unfold(parts, |mut parts| async { Some((parts.recv().await?, parts)) });
        let done = parts.map(|part| async move {
            match part {
                Part::Batch(batch) => {
                    args.append(client, batch).await.map_err(|(line, error)| Stop::Call(line, error))
                }
                Part::Bad(line, why, after) if args.on_error == OnError::Skip => {
                    Ok(Done { after, results: Vec::new(), refused: vec![(line, why)] })
                }
                Part::Bad(line, why, _) => Err(Stop::Line(line, why)),
                Part::Failed(error) => Err(Stop::Input(error)),
            }
        });
        // In the order of the lines, so that everything before the mark is written.
        let mut done = std::pin::pin!(done.buffered(usize::from(args.in_flight)));
        let mut interrupted = std::pin::pin!(interrupted());
        loop {
            let next = tokio::select! {
                biased;
                () = &mut interrupted => return Some(Stop::Interrupted),
                next = done.next() => next,
            };
            match next {
                Some(Ok(done)) => {
                    if let Err(error) = self.advance(done) {
                        return Some(Stop::Progress(error));
                    }
                }
                Some(Err(stop)) => return Some(stop),
                None => return None,
            }
        }
    }

    fn advance(&mut self, done: Done) -> io::Result<()> {
        for (line, why) in &done.refused {
            let text = format!("{}:{line}: {why}", self.name());
            self.meter.print(|| note(&text));
        }
        let duplicates = done.results.iter().filter(|result| result.duplicate).count() as u64;
        self.totals.duplicates += duplicates;
        self.totals.appended += done.results.len() as u64 - duplicates;
        self.totals.skipped += done.refused.len() as u64;
        self.safe = done.after;
        self.meter.update(self.safe.bytes, self.safe.lines, self.totals.appended);
        if let Some(progress) = &self.progress
            && self.saved.elapsed() >= SAVE_EVERY
        {
            progress.save(&self.safe)?;
            self.saved = Instant::now();
        }
        Ok(())
    }

    fn name(&self) -> String {
        if self.args.is_stdin() { "<stdin>".to_owned() } else { self.args.file.display().to_string() }
    }

    fn end(&self, stop: Option<Stop>, out: &mut Out) -> Result<(), Failure> {
        self.meter.finish();
        let saved = match (&self.progress, &stop) {
            (Some(progress), Some(_)) => progress.save(&self.safe),
            (Some(progress), None) => progress.remove(),
            (None, _) => Ok(()),
        };
        self.args.summary(&self.totals, stop.is_none(), self.safe.lines, out)?;
        let Some(stop) = stop else {
            saved.map_err(|error| Failure::failed(format!("cannot remove the progress file: {error}")))?;
            return if self.totals.skipped > 0 { Err(Failure::Reported) } else { Ok(()) };
        };
        let exit = match &stop {
            // A line that the server refuses is not a mistake in the command line.
            Stop::Call(_, error) => match call_exit(error) {
                Exit::Usage => Exit::Failed,
                exit => exit,
            },
            Stop::Input(_) => Exit::Usage,
            Stop::Interrupted | Stop::Line(..) | Stop::Progress(_) => Exit::Failed,
        };
        let how = match (&self.progress, saved.is_ok()) {
            (Some(_), true) => "continue with --resume".to_owned(),
            (Some(progress), false) => format!("but {} could not be written", progress.path().display()),
            (None, _) => "lines with a time can be appended again with the same result".to_owned(),
        };
        let safe = match self.safe.lines {
            0 => "no line is known to be written".to_owned(),
            1 => "line 1 is written".to_owned(),
            lines => format!("lines 1 to {} are written", grouped(lines)),
        };
        Err(Failure::new(exit, format!("{}\n  {safe}; {how}", self.why(&stop))))
    }

    fn why(&self, stop: &Stop) -> String {
        let name = self.name();
        match stop {
            Stop::Interrupted => "interrupted".to_owned(),
            Stop::Line(line, why) => format!("{name}:{line}: {why}"),
            Stop::Call(Some(line), error) => format!("{name}:{line}: {}", call_text(error)),
            Stop::Call(None, error) => {
                let next = self.safe.lines + 1;
                format!("{name}:{next}: {}: {}", self.args.connect.endpoint(), call_text(error))
            }
            Stop::Input(error) => format!("cannot read {name}: {error}"),
            Stop::Progress(error) => format!("cannot save progress: {error}"),
        }
    }
}
