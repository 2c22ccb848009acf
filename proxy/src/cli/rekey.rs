//! `prism rekey`: seals the items of a namespace again under the active master key, while gateways serve them.

use std::io::Write as _;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use clap::builder::StyledStr;
use prism_backends::wrap::encrypt::{Progress, Rekey};
use prism_cli::examples;
use prism_contract::{Error, Namespace};
use prism_wire::clock::{Clock, SystemClock};
use serde_json::json;
use tokio::time::Instant;

use crate::backend;
use crate::client::{count, grouped, interrupted};
use crate::config::{Config, Flags};
use crate::exit::{Exit, ExitError};
use crate::sources::{CONFIG_VARIABLE, configuration};

/// Time between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// Time before a step is tried again after an outage.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Tries of a step during an outage.
const MAX_TRIES: u32 = 60;
/// Items that expired this long ago are sealed again as well: to the clock of another gateway they may live.
const CLOCK_DIFFERENCE: Duration = Duration::from_hours(1);
/// Maximum runs over all items. The second finds what was written meanwhile by gateways whose active key was another one, and
/// the one after the other keys were forgotten finds what was sealed before these gateways looked at the record again.
const MAX_RUNS: u32 = 6;

/// The arguments of `prism rekey`.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub struct RekeyArgs {
    /// The namespace.
    namespace: String,
    /// The configuration file, as for `prism serve`; without it, the environment and the defaults.
    #[arg(long, env = CONFIG_VARIABLE, hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file of the SQLite database.
    #[arg(long, value_name = "PATH")]
    database: Option<String>,
    /// Print the result and the progress as JSON.
    #[arg(long)]
    json: bool,
}

fn help() -> StyledStr {
    examples(&[(
        "After encryption.active was changed and all gateways were sent SIGHUP; it may be interrupted and run again",
        "prism rekey patients --config prism.yaml",
    )])
}

pub(super) async fn run(args: &RekeyArgs) -> Result<(), ExitError> {
    let namespace = Namespace::new(&args.namespace)
        .map_err(|why| ExitError::usage(format!("the namespace {}", why.into_string())))?;
    let flags = Flags { listen: None, database: args.database.clone() };
    let config = configuration(args.config.clone(), flags).map_err(ExitError::usage)?;
    let rekey = open(&config, &namespace).await?;
    let mut interrupt = pin!(interrupted());
    let (mut all, mut forgotten) = (Progress::default(), false);
    for _ in 0..MAX_RUNS {
        let mut run = Progress::default();
        tokio::select! {
            () = &mut interrupt => {
                let message = "interrupted; what was sealed again stays so: run the command again to continue";
                return Err(ExitError::failed(message));
            }
            done = once(&rekey, &mut run, args.json) => done?,
        }
        all = Progress { sealed: all.sealed + run.sealed, ..run.clone() };
        if run.damaged > 0 {
            report(args.json, "done", &all);
            return Err(ExitError::failed(format!(
                "{} items are damaged and were left as they are; their master keys are still needed",
                grouped(run.damaged)
            )));
        }
        if run.sealed > 0 {
            forgotten = false;
        } else if forgotten {
            report(args.json, "done", &all);
            return Ok(());
        } else {
            forgotten = rekey.forget_other_keys(SystemClock.now()).await.map_err(|error| failed(&error))?;
        }
    }
    report(args.json, "done", &all);
    let message = "items are still written under another master key: is it the active one of another gateway? Send SIGHUP to \
                   all gateways, and run the command again";
    Err(ExitError::failed(message))
}

/// Opens the database of the namespace, which must be defined as encrypted.
async fn open(config: &Config, namespace: &Namespace) -> Result<Rekey, ExitError> {
    let services = backend::open_for_command(config).await?;
    let database = backend::database_of(config, &services, namespace);
    let encrypts = services.catalog.snapshot().find(namespace.as_str()).is_some_and(|found| found.encrypt);
    services.close().await;
    let (true, Some(database)) = (encrypts, database) else {
        let message = format!("the namespace {} is not defined as encrypted", namespace.as_str());
        return Err(ExitError::usage(message));
    };
    let opened = backend::open_to_rewrite(&database).await;
    let opened = opened.map_err(|why| ExitError::new(Exit::of_opening(&why), why.to_string()))?;
    let store = opened.ok_or_else(|| ExitError::usage("the namespace is in memory, which is not kept"))?;
    let ring = config.encryption.ring().ok().flatten();
    let ring = ring.ok_or_else(|| ExitError::usage("there are no encryption.keys"))?;
    Ok(Rekey::new(store, ring, namespace.clone()))
}

/// Looks at all items once.
async fn once(rekey: &Rekey, progress: &mut Progress, json: bool) -> Result<(), ExitError> {
    let (mut reported, mut tries) = (Instant::now(), 0);
    loop {
        let before = progress.clone();
        let now = SystemClock.now().saturating_sub(CLOCK_DIFFERENCE);
        match rekey.step(progress, now).await {
            Ok(()) => tries = 0,
            Err(error) if error.retry_after().is_some() && tries < MAX_TRIES => {
                *progress = before;
                tries += 1;
                tokio::time::sleep(RETRY_INTERVAL).await;
                continue;
            }
            Err(error) => return Err(failed(&error)),
        }
        if reported.elapsed() >= PROGRESS_INTERVAL {
            reported = Instant::now();
            report(json, "progress", progress);
        }
        if progress.next.is_none() {
            return Ok(());
        }
    }
}

fn failed(error: &Error) -> ExitError {
    let cause = error.cause().map(|cause| format!(": {cause:?}")).unwrap_or_default();
    ExitError::new(Exit::of_error(error), format!("{error}{cause}"))
}

/// Prints the result on standard output, or the progress on standard error. A closed stream is not an error.
fn report(as_json: bool, what: &str, progress: &Progress) {
    let Progress { items, sealed, damaged, .. } = progress;
    let text = if as_json {
        json!({ "state": what, "items": items, "sealed": sealed, "damaged": damaged }).to_string()
    } else {
        format!("{what}: {}, {} sealed again", count(*items, "item"), grouped(*sealed))
    };
    let _ = if what == "done" {
        writeln!(std::io::stdout(), "{text}")
    } else {
        writeln!(std::io::stderr(), "{text}")
    };
}
