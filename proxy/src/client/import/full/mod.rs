//! `prism import --full`: writes a full export into a database, with its order of versions, its tokens, times and expiry.
//!
//! A gateway takes no times from its clients, so this is a gateway of its own for as long as it runs: it opens the
//! database that the configuration names, as `prism serve` would, and may work beside others that serve it.

mod order;
mod place;
mod progress;
mod report;
mod survey;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader};
use std::pin::{Pin, pin};
use std::sync::Arc;

use prism_contract::keyvalue::{Entry, KeyValueBackend};
use prism_contract::{Error, Namespace};
use prism_wire::clock::{Clock, SystemClock};
use tokio::sync::oneshot;

use self::order::Restore;
use self::place::{Places, Trouble};
use self::progress::{FullProgress, Import};
use self::report::{Report, Stop, Totals};
use self::survey::{Index, Items, Refused, survey};
use super::ImportArgs;
use super::engine::OnError;
use crate::backend::{self, Location};
use crate::client::failure::Failure;
use crate::client::interrupted;
use crate::client::out::{Out, note};
use crate::config::{Config, DatabaseKind, Flags};
use crate::sources::{CONFIG_VARIABLE, configuration};

/// Most bytes of keys and values that are written at once; one item may always be.
const WINDOW_BYTES: usize = 32 << 20;

pub(super) async fn run(args: &ImportArgs, out: &mut Out) -> Result<(), Failure> {
    let namespace =
        Namespace::new(&args.namespace).map_err(|why| Failure::Usage(format!("the namespace {why}")))?;
    if args.is_stdin() {
        return Err(Failure::Usage(
            "standard input cannot be imported with --full, since it is read twice; import a file".to_owned(),
        ));
    }
    let mut interrupt = pin!(interrupted());
    if args.check {
        let index = surveyed(args, interrupt.as_mut()).await?;
        return Report::new(args).checked(&index, out);
    }
    let config = config(args)?;
    // Opened first: a database that cannot be is better known now than after a long file was checked.
    let database = backend::open(&config.database).await.map_err(|why| Failure::Failed(why.to_string()))?;
    let place = format!("the {} database {}", config.database.kind.name(), Location(&config.database));
    note(&format!("importing into {place}"));
    let done = match surveyed(args, interrupt.as_mut()).await {
        Ok(index) => {
            let import =
                Import { namespace: args.namespace.clone(), database: place, sha256: index.sha256.clone() };
            let progress = FullProgress::beside(&args.file, import);
            import_into(args, &*database, namespace, &index, &progress, interrupt, out).await
        }
        Err(failure) => Err(failure),
    };
    database.close().await;
    done
}

fn config(args: &ImportArgs) -> Result<Config, Failure> {
    let named = std::env::var_os(CONFIG_VARIABLE).filter(|name| !name.to_string_lossy().trim().is_empty());
    let file = args.config.clone().or_else(|| named.map(Into::into));
    let flags = Flags { listen: None, database: args.database.clone() };
    let config = configuration(file, flags).map_err(Failure::Usage)?;
    match config.database.kind {
        DatabaseKind::Memory => Err(Failure::Usage(
            "database.type is memory, which would keep nothing; name a database with --config or --database"
                .to_owned(),
        )),
        DatabaseKind::Sqlite | DatabaseKind::Postgres => Ok(config),
    }
}

/// Checks every line. On a thread of its own, not a task: it must not keep the process from ending.
async fn surveyed(
    args: &ImportArgs,
    interrupt: Pin<&mut impl Future<Output = ()>>,
) -> Result<Index, Failure> {
    let failed = |error: io::Error| Failure::Failed(format!("cannot read {}: {error}", args.file.display()));
    let file = File::open(&args.file).map_err(failed)?;
    let mut report = Report::new(args);
    let (answer, answered) = oneshot::channel();
    std::thread::spawn(move || {
        let index = survey(BufReader::with_capacity(1 << 18, file), &mut report);
        report.pause();
        // Whoever has stopped waiting does not hear of it.
        let _ = answer.send(index);
    });
    tokio::select! {
        () = interrupt => Err(Failure::Failed("interrupted; nothing was written".to_owned())),
        index = answered => match index {
            Ok(Ok(index)) => Ok(index),
            Ok(Err(Refused::Line { line, why })) => Err(Failure::Failed(format!(
                "{}:{line}: {why}\n  nothing was written", args.file.display()
            ))),
            Ok(Err(Refused::Input(error))) => Err(failed(error)),
            Err(_) => Err(Failure::Failed("the check of the file ended before its end".to_owned())),
        },
    }
}

async fn import_into(
    args: &ImportArgs,
    backend: &dyn KeyValueBackend,
    namespace: Namespace,
    index: &Index,
    progress: &FullProgress,
    interrupt: Pin<&mut impl Future<Output = ()>>,
    out: &mut Out,
) -> Result<(), Failure> {
    let done = if args.resume { progress.load().map_err(Failure::Failed)? } else { None };
    let mut report = Report::new(args);
    report.begin(done, args.resume, index, progress)?;
    let places = Places { backend, namespace, retry_for: args.retry_for };
    let mut run = Run {
        index,
        restore: Restore::new(places, usize::from(args.in_flight)),
        on_error: args.on_error,
        clock: Arc::new(SystemClock),
        progress,
        report: &mut report,
        totals: Totals { skipped: index.skipped, ..Totals::default() },
        safe: done.and_then(|done| usize::try_from(done).ok()).unwrap_or(0).min(index.len()),
    };
    let stop = tokio::select! {
        biased;
        () = interrupt => Some(Stop::Interrupted),
        done = run.copy(&args.file, backend) => done.err(),
    };
    let (totals, safe) = (run.totals, run.safe as u64);
    report.end(&totals, safe, index, stop, progress, out)
}

/// An import under way.
struct Run<'a> {
    index: &'a Index,
    restore: Restore<'a>,
    on_error: OnError,
    clock: Arc<dyn Clock>,
    progress: &'a FullProgress,
    report: &'a mut Report,
    totals: Totals,
    /// Items done without a gap, in the order of versions.
    safe: usize,
}

impl Run<'_> {
    async fn copy(&mut self, file: &std::path::Path, backend: &dyn KeyValueBackend) -> Result<(), Stop> {
        self.sweep(backend).await.map_err(Stop::Database)?;
        let mut items = Items::open(file).map_err(Stop::Input)?;
        while self.safe < self.index.len() {
            let window = self.window(&mut items).map_err(Stop::Input)?;
            let entries: Vec<_> = window.items.iter().map(|(_, entry)| entry.clone()).collect();
            let fates = self.restore.write(&entries).await;
            let mut stop = None;
            for ((place, _), fate) in window.items.iter().zip(fates) {
                let line = self.index.line(*place);
                match fate {
                    Ok(_) => self.totals.items += 1,
                    Err(Trouble::Item(why)) if self.on_error == OnError::Skip => {
                        self.totals.skipped += 1;
                        self.report.skipped(line, &why);
                    }
                    Err(Trouble::Item(why)) => stop = stop.or(Some((*place, Stop::Line { line, why }))),
                    Err(Trouble::Database(error)) => stop = stop.or(Some((*place, Stop::Database(error)))),
                }
            }
            // What was left out because it had expired lies between those written, and is done with them.
            self.safe = stop.as_ref().map_or(window.end, |(place, _)| *place);
            self.totals.expired += window.expired;
            if let Some((_, stop)) = stop {
                return Err(stop);
            }
            self.report.moved(window.bytes, self.safe as u64, self.progress).map_err(Stop::Progress)?;
        }
        Ok(())
    }

    /// What had died in the database before the import began is out of its way: writes at past moments would meet it.
    async fn sweep(&self, backend: &dyn KeyValueBackend) -> Result<(), Error> {
        while backend.sweep(self.clock.now()).await?.more {}
        Ok(())
    }

    /// The next items in the order of versions, as many as are written at once. An item that has expired is left out, unless
    /// it has a token: that outlives it, so that a late retry is still refused (TOK-4).
    fn window(&self, items: &mut Items) -> io::Result<Window> {
        let now = self.clock.now();
        let mut window = Window { items: Vec::new(), end: self.safe, expired: 0, bytes: 0 };
        let mut weight = 0;
        while window.end < self.index.len()
            && window.items.len() < self.restore.width()
            && weight < WINDOW_BYTES
        {
            let (entry, bytes) = items.read(self.index, window.end)?;
            let expired = entry.item.expires_at.is_some_and(|at| at <= now);
            window.expired += u64::from(expired);
            window.bytes += bytes;
            if !expired || entry.item.priority_token > 0 {
                weight += entry.weight();
                window.items.push((window.end, entry));
            }
            window.end += 1;
        }
        Ok(window)
    }
}

/// Items that are written at once.
struct Window {
    /// Each with its place in the order of versions.
    items: Vec<(usize, Entry)>,
    /// The place after the last.
    end: usize,
    expired: u64,
    bytes: u64,
}
