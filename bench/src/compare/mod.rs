//! The same operations on several targets in one run, round by round, so that background noise affects all alike.

pub mod chart;
mod entrant;
mod operation;
mod options;
mod report;

use std::collections::HashMap;

use indicatif::{ProgressBar, ProgressStyle};

use self::entrant::Entrant;
pub use self::operation::Operation;
pub use self::options::Options;
pub use self::report::{Report, Row};
use crate::failure::Failure;
use crate::tally::Figures;
use crate::target::{Kind, Locations, Postgres, Started, start};

/// Measures all targets. Servers are started first and run until the end; only one is measured at a time.
///
/// # Errors
/// A server does not start, or an answer was wrong.
pub async fn run(options: &Options) -> Result<Report, Failure> {
    let locations = Locations::of(&options.locations)?;
    let needed = options.only.iter().any(|kind| kind.needs_postgres());
    let postgres = if needed { Postgres::start(&locations)? } else { None };
    let mut entrants = Vec::new();
    let mut missing = Vec::new();
    let mut versions = Vec::new();
    for &kind in &options.only {
        match start(kind, &locations, postgres.as_ref(), &options.value_bytes).await? {
            Started::Running(target) => {
                versions.push(format!("{}: {}", kind.name(), target.version));
                entrants.push(Entrant::new(*target, options).await?);
            }
            Started::NotInstalled(how) => missing.push((kind, how)),
        }
    }
    versions.extend(postgres.as_ref().map(|postgres| format!("postgres: {}", postgres.description)));
    let figures = rounds(options, &mut entrants).await?;
    Ok(Report::new(options, report::rows(options, &figures, &missing), versions))
}

/// The figures per operation and target, one per round.
async fn rounds(
    options: &Options,
    entrants: &mut [Entrant],
) -> Result<HashMap<(Operation, Kind), Vec<Figures>>, Failure> {
    let progress = progress(entrants.len() * (1 + options.rounds * options.operations.len()));
    for entrant in &mut *entrants {
        progress.set_message(format!("{}: writing the records", entrant.kind().name()));
        entrant.preload(options).await?;
        progress.inc(1);
    }
    let mut figures: HashMap<_, Vec<_>> = HashMap::new();
    let mut number = 0;
    for round in 1..=options.rounds {
        for &operation in &options.operations {
            for entrant in &mut *entrants {
                number += 1;
                progress.set_message(format!(
                    "round {round}, {}: {}",
                    operation.name(),
                    entrant.kind().name()
                ));
                let measured = entrant.measure(options, operation, number).await?;
                figures.entry((operation, entrant.kind())).or_default().push(measured);
                progress.inc(1);
            }
        }
    }
    progress.finish_and_clear();
    Ok(figures)
}

/// A progress bar, on a terminal only.
fn progress(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    match ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
