//! `prism import --full`: writes a full export into a database, keeping the order of versions, tokens, times and expiry.
//!
//! A gateway accepts no times from clients, so this command is a gateway itself: it opens the database that the
//! configuration names, as `prism serve` does, and may run next to gateways that serve it.

mod index;
mod item_writer;
mod order;
mod progress;
mod report;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader};
use std::pin::{Pin, pin};
use std::sync::Arc;

use prism_contract::keyvalue::{Entry, KeyValueBackend};
use prism_contract::{Access, Directory, Error, Namespace};
use prism_wire::clock::{Clock, SystemClock};
use tokio::sync::oneshot;

use self::index::{Index, IndexError, Items, build_index};
use self::item_writer::{ItemWriter, WriteError};
use self::order::OrderedWriter;
use self::progress::{FullProgress, Import};
use self::report::{Report, Stop, Totals};
use super::ImportArgs;
use super::engine::OnError;
use crate::backend::{self, Location};
use crate::client::failure::Failure;
use crate::client::interrupted;
use crate::client::out::{Out, note};
use crate::config::{Config, Database, DatabaseKind, Flags};
use crate::server::Services;
use crate::sources::{CONFIG_VARIABLE, configuration};

/// Limit of bytes of keys and values in a window; a single item is always allowed.
const WINDOW_BYTES: usize = 32 << 20;

pub(super) async fn run(args: &ImportArgs, out: &mut Out) -> Result<(), Failure> {
    let namespace =
        Namespace::new(&args.namespace).map_err(|why| Failure::usage(format!("the namespace {why}")))?;
    if args.is_stdin() {
        return Err(Failure::usage(
            "standard input cannot be imported with --full, since it is read twice; import a file",
        ));
    }
    let mut interrupt = pin!(interrupted());
    if args.check {
        let index = check_and_index(args, interrupt.as_mut()).await?;
        return Report::new(args).checked(&index, out);
    }
    let config = config(args)?;
    // Opened first: an unavailable database is reported before a long file is checked.
    let services = backend::open_for_command(&config).await?;
    let opened = database(&config, &services, &namespace);
    let (target, database) = match opened {
        Ok(opened) => opened,
        Err(failure) => {
            services.close().await;
            return Err(failure);
        }
    };
    let target = format!("the {} database {}", target.kind.name(), Location(&target));
    note(&format!("importing into {target}"));
    let result = match check_and_index(args, interrupt.as_mut()).await {
        Ok(index) => {
            let import =
                Import { namespace: args.namespace.clone(), database: target, sha256: index.sha256.clone() };
            let progress = FullProgress::beside(&args.file, import);
            import_into(args, &*database, namespace, &index, &progress, interrupt, out).await
        }
        Err(failure) => Err(failure),
    };
    services.close().await;
    result
}

/// The configuration that names the databases.
fn config(args: &ImportArgs) -> Result<Config, Failure> {
    let variable =
        std::env::var_os(CONFIG_VARIABLE).filter(|value| !value.to_string_lossy().trim().is_empty());
    let file = args.config.clone().or_else(|| variable.map(Into::into));
    let flags = Flags { listen: None, database: args.database.clone() };
    configuration(file, flags).map_err(Failure::usage)
}

/// The database that serves the namespace, and the backend, which encrypts the items if the namespace is encrypted.
fn database(
    config: &Config,
    services: &Services,
    namespace: &Namespace,
) -> Result<(Database, Arc<dyn KeyValueBackend>), Failure> {
    let served = Directory::<dyn KeyValueBackend, _>::find(&services.catalog, namespace, Access::Describe);
    if let Err(error @ Error::WrongAbstraction(_)) = served {
        return Err(Failure::usage(error.to_string()));
    }
    let database = backend::database_of(config, services, namespace);
    let (Ok(served), Some(database)) = (served, database) else {
        let message =
            "the configuration serves no such namespace; add a rule to namespaces.rules, or create it";
        return Err(Failure::usage(message));
    };
    match database.kind {
        DatabaseKind::Memory => Err(Failure::usage(
            "database.type is memory, which persists nothing; name a database with --config or --database",
        )),
        DatabaseKind::Kafka => Err(Failure::usage("the namespace is on Kafka, which keeps TimeSeries alone")),
        DatabaseKind::Sqlite | DatabaseKind::Postgres => Ok((database, served.backend)),
    }
}

/// Validates and indexes every line, on a separate thread. Not a task: it must not keep the process from exiting.
async fn check_and_index(
    args: &ImportArgs,
    interrupt: Pin<&mut impl Future<Output = ()>>,
) -> Result<Index, Failure> {
    let unreadable =
        |error: io::Error| Failure::usage(format!("cannot read {}: {error}", args.file.display()));
    let file = File::open(&args.file).map_err(unreadable)?;
    let mut report = Report::new(args);
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let index = build_index(BufReader::with_capacity(1 << 18, file), &mut report);
        report.pause();
        // After an interrupt the receiver is gone.
        let _ = sender.send(index);
    });
    tokio::select! {
        () = interrupt => Err(Failure::failed("interrupted; nothing was written")),
        index = receiver => match index {
            Ok(Ok(index)) => Ok(index),
            Ok(Err(IndexError::Line { line, why })) => Err(Failure::failed(format!(
                "{}:{line}: {why}\n  nothing was written", args.file.display()
            ))),
            Ok(Err(IndexError::Input(error))) => Err(unreadable(error)),
            Err(_) => Err(Failure::failed("the check of the file stopped before its end")),
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
    let done = if args.resume { progress.load().map_err(Failure::failed)? } else { None };
    let mut report = Report::new(args);
    report.begin(done, args.resume, index, progress)?;
    let writer = ItemWriter { backend, namespace, retry_for: args.retry_for };
    let mut run = Run {
        index,
        writer: OrderedWriter::new(writer, usize::from(args.in_flight)),
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

/// A running import.
struct Run<'a> {
    index: &'a Index,
    writer: OrderedWriter<'a>,
    on_error: OnError,
    clock: Arc<dyn Clock>,
    progress: &'a FullProgress,
    report: &'a mut Report,
    totals: Totals,
    /// The watermark: items completed without a gap, in the order of versions.
    safe: usize,
}

impl Run<'_> {
    async fn copy(&mut self, file: &std::path::Path, backend: &dyn KeyValueBackend) -> Result<(), Stop> {
        self.sweep(backend).await.map_err(Stop::Database)?;
        let mut items = Items::open(file).map_err(Stop::Input)?;
        while self.safe < self.index.len() {
            let window = self.window(&mut items).map_err(Stop::Input)?;
            let entries: Vec<_> = window.items.iter().map(|(_, entry)| entry.clone()).collect();
            let outcomes = self.writer.write(&entries).await;
            let mut stop = None;
            for ((position, _), outcome) in window.items.iter().zip(outcomes) {
                let line = self.index.line(*position);
                match outcome {
                    Ok(_) => self.totals.items += 1,
                    Err(WriteError::Item(why)) if self.on_error == OnError::Skip => {
                        self.totals.skipped += 1;
                        self.report.skipped(line, &why);
                    }
                    Err(WriteError::Item(why)) => stop = stop.or(Some((*position, Stop::Line { line, why }))),
                    Err(WriteError::Database(error)) => {
                        stop = stop.or(Some((*position, Stop::Database(error))));
                    }
                }
            }
            // Expired items between the written ones are complete too.
            self.safe = stop.as_ref().map_or(window.end, |(position, _)| *position);
            self.totals.expired += window.expired;
            if let Some((_, stop)) = stop {
                return Err(stop);
            }
            self.report.advanced(window.bytes, self.safe as u64, self.progress).map_err(Stop::Progress)?;
        }
        Ok(())
    }

    /// Removes items that had already expired in the database: writes with past times would still see them.
    async fn sweep(&self, backend: &dyn KeyValueBackend) -> Result<(), Error> {
        while backend.sweep(self.clock.now()).await?.more {}
        Ok(())
    }

    /// The next items in the order of versions, up to the window's limits. An expired item is left out unless it has a token,
    /// which outlives the item so that a late retry is still refused (TOK-4).
    fn window(&self, items: &mut Items) -> io::Result<Window> {
        let now = self.clock.now();
        let mut window = Window { items: Vec::new(), end: self.safe, expired: 0, bytes: 0 };
        let mut weight = 0;
        while window.end < self.index.len()
            && window.items.len() < self.writer.width()
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

/// Items that are written concurrently.
struct Window {
    /// Each with its position in the order of versions.
    items: Vec<(usize, Entry)>,
    /// The position after the last.
    end: usize,
    expired: u64,
    bytes: u64,
}
