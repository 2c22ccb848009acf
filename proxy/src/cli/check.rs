//! `prism check`: reads a whole database, and reports sizes and damage.

use std::io::Write as _;
use std::pin::pin;
use std::time::Duration;

use clap::builder::StyledStr;
use indicatif::HumanBytes;
use prism_backends::check::{Count, Damage, Part, Report};
use prism_cli::examples;
use prism_wire::clock::{Clock, SystemClock};
use serde_json::{Map, Value, json};

use super::database::{Chosen, DatabaseArgs, Spinner};
use crate::backend::{self, Location};
use crate::client::{grouped, interrupted};
use crate::exit::{Exit, ExitError};
use crate::terminal::{printable, printable_json};

/// The arguments of `prism check`.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub struct CheckArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Time limit of a statement on Postgres, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    statement_timeout: u32,
    /// Print the result as JSON, a line for each backend.
    #[arg(long)]
    json: bool,
}

fn help() -> StyledStr {
    examples(&[("A database that a gateway may serve meanwhile", "prism check --database prism.db")])
}

pub(super) async fn run(args: &CheckArgs) -> Result<(), ExitError> {
    let config = args.database.config()?;
    let all = args.database.suitable(&config)?;
    let checking = async {
        let mut damaged = Vec::new();
        for chosen in &all {
            if !check(args, chosen).await? {
                damaged.push(chosen.name.as_str());
            }
        }
        Ok::<_, ExitError>(damaged)
    };
    let damaged = tokio::select! {
        biased;
        () = pin!(interrupted()) => return Err(ExitError::failed("interrupted; a check changes nothing")),
        damaged = checking => damaged?,
    };
    if damaged.is_empty() {
        return Ok(());
    }
    let message = format!("damage was found: {}; see docs/backup.md", damaged.join(", "));
    Err(ExitError::new(Exit::Damaged, message))
}

/// Checks a database and prints the result; returns whether it is sound.
async fn check(args: &CheckArgs, chosen: &Chosen) -> Result<bool, ExitError> {
    let location = Location(&chosen.database).to_string();
    let spinner = Spinner::start(format!("checking {location}"));
    let time_limit = Duration::from_secs(args.statement_timeout.into());
    let checked = backend::check(&chosen.database, SystemClock.now(), time_limit).await;
    spinner.finish();
    let report = checked.map_err(|why| ExitError::new(Exit::of_opening(&why), why.to_string()))?;
    let text = if args.json {
        let mut value = to_json(&report);
        value["backend"] = json!(chosen.name);
        value["database"] = json!(location);
        printable_json(&value.to_string())
    } else {
        to_text(&location, &report)
    };
    // A closed stream is not an error.
    let _ = writeln!(std::io::stdout(), "{}", printable(&text));
    Ok(report.damage.is_empty())
}

fn to_text(location: &str, report: &Report) -> String {
    let Report { engine, schema_version, sizes, parts, damage } = report;
    let state = if damage.is_empty() { "sound" } else { "damaged" };
    let database = [engine.clone(), format!("schema {schema_version}")];
    let database: Vec<_> = database.into_iter().chain(sizes.iter().map(shown)).collect();
    let mut lines = vec![format!("{location}: {state}; {}", database.join(", "))];
    for part in parts {
        lines.push(summary(part));
        for namespace in &part.namespaces {
            let (rows, bytes) = (grouped(namespace.rows), HumanBytes(namespace.bytes));
            // A damaged name may have line breaks.
            lines.push(format!("  {}: rows {rows}, content {bytes}", namespace.name.escape_debug()));
        }
    }
    for Damage { name, what, rows } in damage {
        let rows = rows.map(|rows| format!("{} ", grouped(rows))).unwrap_or_default();
        lines.push(format!("damage: {rows}{what} ({name})"));
    }
    lines.join("\n")
}

/// The counts of an abstraction, in a line.
pub(super) fn summary(part: &Part) -> String {
    let counts: Vec<_> = part.counts.iter().map(shown).collect();
    format!("{}: {}", part.name, counts.join(", "))
}

/// A name and its number: `items 3`, `disk 1.5 KiB`.
fn shown(Count { name, number }: &Count) -> String {
    match name.strip_suffix("bytes") {
        Some("") => format!("content {}", HumanBytes(*number)),
        Some(of) => format!("{} {}", of.trim_end_matches('_'), HumanBytes(*number)),
        None => format!("{} {}", name.replace('_', " "), grouped(*number)),
    }
}

/// The report as JSON.
pub(super) fn to_json(report: &Report) -> Value {
    let numbers = |counts: &[Count]| -> Map<String, Value> {
        counts.iter().map(|count| (count.name.to_owned(), json!(count.number))).collect()
    };
    let mut value = numbers(&report.sizes);
    value.insert("engine".to_owned(), json!(report.engine));
    value.insert("schema_version".to_owned(), json!(report.schema_version));
    for part in &report.parts {
        let mut of_part = numbers(&part.counts);
        let namespaces = part.namespaces.iter();
        let namespaces =
            namespaces.map(|found| json!({ "name": found.name, "rows": found.rows, "bytes": found.bytes }));
        of_part.insert("largest".to_owned(), namespaces.collect());
        value.insert(part.name.to_owned(), of_part.into());
    }
    let damage = report.damage.iter();
    let damage = damage.map(|found| json!({ "name": found.name, "what": found.what, "rows": found.rows }));
    value.insert("damage".to_owned(), damage.collect());
    value.into()
}
