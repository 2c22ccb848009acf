//! `prism gc`: sweeps databases until nothing is left to sweep, beside gateways that serve them.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use clap::builder::StyledStr;
use futures::FutureExt;
use prism_cli::examples;
use prism_contract::{Error, Swept, Timestamp};
use prism_wire::clock::{Clock, SystemClock};
use serde_json::json;
use tokio::time::Instant;

use super::database::{Chosen, DatabaseArgs, Spinner};
use crate::backend;
use crate::client::{count, interrupted};
use crate::control;
use crate::exit::{Exit, ExitError};
use crate::server::{Pass, Services, Sweeper};

/// Time before a step is tried again after an outage, or while another gateway sweeps.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Tries of a step.
const MAX_TRIES: u32 = 120;
/// Maximum pause between two steps. For as long as a step took, gateways have the database for themselves, because SQLite's
/// lock is not fair: at 300 Puts a second the p99 is 70 to 120 ms while gc runs, and 810 ms without the pause.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Time after which the definitions of namespaces are read again: a retention may have become longer.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// The arguments of `prism gc`.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub struct GcArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print the result as JSON, a line for each backend.
    #[arg(long)]
    json: bool,
}

fn help() -> StyledStr {
    examples(&[(
        "Everything that has expired by now; it may be interrupted and run again",
        "prism gc --database prism.db",
    )])
}

/// What was removed from a backend.
#[derive(Debug, Default, Clone, Copy)]
struct Removed {
    items: u64,
    tombstones: u64,
    events: u64,
}

impl Removed {
    fn add(&mut self, pass: Pass, swept: Swept) {
        match pass {
            Pass::Items => self.items += swept.expired,
            Pass::Events => self.events += swept.expired,
        }
        self.tombstones += swept.tombstones;
    }

    fn text(self) -> String {
        let Self { items, tombstones, events } = self;
        format!(
            "{}, {}, {}",
            count(items, "expired item"),
            count(tombstones, "tombstone"),
            count(events, "expired event")
        )
    }
}

pub(super) async fn run(args: &GcArgs) -> Result<(), ExitError> {
    let config = args.database.config()?;
    let chosen = args.database.suitable(&config)?;
    for chosen in &chosen {
        chosen.refuse_a_missing_file()?;
    }
    let services = backend::open_for_command(&config).await?;
    let mut interrupt = pin!(interrupted());
    let mut done = Ok(());
    for chosen in &chosen {
        done = collect(args, &services, chosen, interrupt.as_mut()).await;
        if done.is_err() {
            break;
        }
    }
    services.close().await;
    done
}

/// Sweeps a backend, and prints what was removed, also if it stops early.
async fn collect(
    args: &GcArgs,
    services: &Services,
    chosen: &Chosen,
    interrupt: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), ExitError> {
    // What expires later is left for the next sweep, so that there is an end.
    let now = SystemClock.now();
    let spinner = Spinner::start("sweeping".to_owned());
    let sweeper = Sweeper {
        store: services.stores[chosen.index].clone(),
        index: chosen.index,
        catalog: services.catalog.clone(),
        clock: Arc::new(move || now),
    };
    let mut run = Run { services, chosen, sweeper, now, removed: Removed::default(), loaded: Instant::now() };
    let done = run.sweep(&spinner, interrupt).await;
    spinner.finish();
    let (state, failure) = match done {
        Ok(ControlFlow::Continue(())) => ("done", None),
        Ok(ControlFlow::Break(())) => {
            ("interrupted", Some(ExitError::failed("interrupted; run the command again to continue")))
        }
        Err(failure) => ("failed", Some(failure)),
    };
    report(args, chosen, state, run.removed);
    failure.map_or(Ok(()), Err)
}

/// Prints what was removed on standard output. A closed stream is not an error.
fn report(args: &GcArgs, chosen: &Chosen, state: &str, removed: Removed) {
    let Removed { items, tombstones, events } = removed;
    let text = if args.json {
        let removed = json!({ "items": items, "tombstones": tombstones, "events": events });
        json!({ "state": state, "backend": chosen.name, "removed": removed }).to_string()
    } else {
        format!("{state}: removed {} from {}", removed.text(), chosen.name)
    };
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A running sweep of a backend.
struct Run<'a> {
    services: &'a Services,
    chosen: &'a Chosen,
    sweeper: Sweeper,
    now: Timestamp,
    removed: Removed,
    /// When the definitions were read.
    loaded: Instant,
}

impl Run<'_> {
    /// Sweeps until nothing is left, or until an interrupt, which is obeyed between two steps.
    async fn sweep(
        &mut self,
        spinner: &Spinner,
        mut interrupt: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<ControlFlow<()>, ExitError> {
        for pass in Pass::ALL {
            let mut tries = 0;
            loop {
                let began = Instant::now();
                let pause = match self.step(pass, &mut tries).await? {
                    ControlFlow::Break(()) => break,
                    ControlFlow::Continue(pause) => pause.unwrap_or_else(|| began.elapsed().min(MAX_PAUSE)),
                };
                spinner.update(format!("removed {}", self.removed.text()));
                tokio::select! {
                    biased;
                    () = &mut interrupt => return Ok(ControlFlow::Break(())),
                    () = tokio::time::sleep(pause) => {}
                }
            }
            // An interrupt that came during the last step.
            if interrupt.as_mut().now_or_never().is_some() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One bounded step. Returns whether that was the last one, and otherwise a pause before the next, if it is not to be that
    /// of the step's own duration.
    async fn step(
        &mut self,
        pass: Pass,
        tries: &mut u32,
    ) -> Result<ControlFlow<(), Option<Duration>>, ExitError> {
        if self.loaded.elapsed() >= RELOAD_INTERVAL {
            let loaded = control::load(self.services, Arc::new(SystemClock)).await;
            loaded.map_err(|error| ExitError::failed(error.to_string()))?;
            self.loaded = Instant::now();
        }
        let swept = match self.sweeper.step(pass).await {
            Ok(swept) => swept,
            Err(error) if error.retry_after().is_some() && *tries < MAX_TRIES => {
                *tries += 1;
                return Ok(ControlFlow::Continue(Some(RETRY_INTERVAL)));
            }
            Err(error) => return Err(self.failed(&error)),
        };
        self.removed.add(pass, swept);
        if swept.expired + swept.tombstones > 0 {
            *tries = 0;
        }
        if swept.more {
            return Ok(ControlFlow::Continue(None));
        }
        match pass {
            Pass::Items if self.is_sweepable().await? && *tries < MAX_TRIES => {
                *tries += 1;
                Ok(ControlFlow::Continue(Some(RETRY_INTERVAL)))
            }
            Pass::Items if *tries == MAX_TRIES => {
                let message = "items are left that another gateway sweeps or writes; run the command again";
                Err(ExitError::new(Exit::Unavailable, message))
            }
            Pass::Items | Pass::Events => Ok(ControlFlow::Break(())),
        }
    }

    async fn is_sweepable(&self) -> Result<bool, ExitError> {
        let answer = backend::is_sweepable(&self.chosen.database, self.now).await;
        answer.map_err(|why| ExitError::new(Exit::of_opening(&why), why.to_string()))
    }

    fn failed(&self, error: &Error) -> ExitError {
        let cause = error.cause().map(|cause| format!(": {cause:?}")).unwrap_or_default();
        ExitError::new(Exit::of_error(error), format!("backend {}: {error}{cause}", self.chosen.name))
    }
}
