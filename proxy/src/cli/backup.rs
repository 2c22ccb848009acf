//! `prism backup`: copies a SQLite database to a file, while gateways serve it.

use std::io::Write as _;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Instant;

use clap::builder::StyledStr;
use indicatif::HumanBytes;
use prism_backends::sqlite::{Backup, BackupError};
use prism_cli::examples;
use prism_wire::clock::{Clock, SystemClock};
use serde_json::json;

use super::check;
use super::database::{Chosen, DatabaseArgs, Spinner};
use crate::backend::{self, Location};
use crate::client::interrupted;
use crate::config::DatabaseKind;
use crate::exit::{Exit, ExitError};
use crate::terminal::{printable, printable_json};

/// The page that describes backups.
const PAGE: &str = "docs/backup.md";

/// The arguments of `prism backup`.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub struct BackupArgs {
    /// The file to make, which must not exist. Until it is whole its name ends with `.partial-` and a number.
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

fn help() -> StyledStr {
    examples(&[(
        "Everything that was acknowledged before, checked; a gateway may serve the database meanwhile",
        "prism backup backup.db --database prism.db",
    )])
}

pub(super) async fn run(args: &BackupArgs) -> Result<(), ExitError> {
    let config = args.database.config()?;
    let chosen = args.database.one(&config)?;
    refuse_other_kinds(&chosen)?;
    let location = Location(&chosen.database).to_string();
    let began = Instant::now();
    let spinner = Spinner::start(format!("copying and checking {location}"));
    let done = tokio::select! {
        biased;
        () = pin!(interrupted()) => {
            let message = format!("interrupted; there is no {}", args.file.display());
            return Err(ExitError::failed(message));
        }
        done = backend::back_up(&chosen.database, &args.file, SystemClock.now()) => done,
    };
    spinner.finish();
    let backup = done.map_err(|error| ExitError::new(exit_of(&error), error.to_string()))?;
    report(args, &location, &backup, began.elapsed().as_secs_f64());
    Ok(())
}

/// Only a file can be copied by this command; databases with a server have their tools.
fn refuse_other_kinds(chosen: &Chosen) -> Result<(), ExitError> {
    let name = &chosen.name;
    let why = match chosen.database.kind {
        DatabaseKind::Sqlite => return Ok(()),
        DatabaseKind::Postgres => {
            "is on Postgres; use pg_dump for a copy of one moment, or pg_basebackup with archived WAL for any moment"
        }
        DatabaseKind::Kafka => {
            "is on Kafka, which keeps its events in replicas; mirror the topics to another cluster"
        }
        DatabaseKind::Memory => {
            "is in memory, and only its gateway has it; export its namespaces with prism export --full"
        }
    };
    Err(ExitError::usage(format!("the backend {name} {why}: see {PAGE}")))
}

/// The kind of a failure.
fn exit_of(error: &BackupError) -> Exit {
    match error {
        BackupError::Source(error) => Exit::of_opening_sqlite(error),
        BackupError::Exists { .. } => Exit::PreconditionFailed,
        BackupError::NoDirectory { .. } | BackupError::Name { .. } => Exit::Usage,
        BackupError::Write { .. } => Exit::Failed,
        BackupError::Damaged { .. } => Exit::Damaged,
    }
}

/// Prints the result on standard output. A closed stream is not an error.
fn report(args: &BackupArgs, location: &str, Backup { bytes, report }: &Backup, seconds: f64) {
    let file = args.file.display();
    let text = if args.json {
        let mut value = check::to_json(report);
        value["file"] = json!(file.to_string());
        value["database"] = json!(location);
        value["bytes"] = json!(bytes);
        value["seconds"] = json!(seconds);
        printable_json(&value.to_string())
    } else {
        let (size, version) = (HumanBytes(*bytes), report.schema_version);
        let first = format!("{file}: {size} in {seconds:.1} s, checked, schema {version}");
        [first].into_iter().chain(report.parts.iter().map(check::summary)).collect::<Vec<_>>().join("\n")
    };
    let _ = writeln!(std::io::stdout(), "{}", printable(&text));
}
