//! The same operations on several targets in one run, round by round, so that noise falls on all alike.

mod options;
mod report;

use std::collections::HashMap;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

pub use self::options::Options;
pub use self::report::{Report, Row};
use crate::client::Client;
use crate::closed::{Operation, Records, measure, preload};
use crate::failure::Failure;
use crate::process::data_folder;
use crate::tally::Figures;
use crate::target::{Kind, Places, Postgres, Storage, Target, echo, prism};
use crate::value::Sizes;

/// A target that is being measured.
struct Entrant {
    target: Target,
    records: Arc<Records>,
    /// Away while they work.
    clients: Vec<Client>,
}

/// Measures and prints. Servers are started first and run until the end; only one is measured at a time.
///
/// # Errors
/// A server does not start, or an answer was wrong.
pub async fn run(options: &Options) -> Result<Report, Failure> {
    let values = crate::target::sizes(&options.value_bytes).map_err(Failure::Usage)?;
    let places = Places::beside(options.prism.clone(), options.postgres.clone(), options.data.clone())?;
    let postgres = options.only.iter().any(|&kind| needs_postgres(kind));
    let postgres = if postgres { Some(Postgres::start(&places)?) } else { None };
    let mut entrants = Vec::new();
    for &kind in &options.only {
        entrants.push(enter(kind, options, &places, postgres.as_ref(), values).await?);
    }
    let figures = rounds(options, &mut entrants).await?;
    let rows = report::rows(
        options,
        &entrants.iter().map(|entrant| entrant.target.kind).collect::<Vec<_>>(),
        &figures,
    );
    let mut versions: Vec<String> = entrants
        .iter()
        .map(|entrant| format!("{}: {}", entrant.target.kind.name(), entrant.target.version))
        .collect();
    versions.extend(postgres.map(|postgres| format!("postgres: {}", postgres.description)));
    Ok(Report::new(options, rows, versions))
}

fn needs_postgres(kind: Kind) -> bool {
    match kind {
        Kind::PrismPostgres => true,
        Kind::Echo | Kind::PrismSqlite => false,
    }
}

async fn enter(
    kind: Kind,
    options: &Options,
    places: &Places,
    postgres: Option<&Postgres>,
    values: Sizes,
) -> Result<Entrant, Failure> {
    let folder = data_folder(places.data.as_deref())?;
    let target = match kind {
        Kind::Echo => echo(places, folder, &options.value_bytes).await?,
        Kind::PrismSqlite => prism(places, folder, Storage::Sqlite).await?,
        Kind::PrismPostgres => {
            let url = postgres.map(|postgres| postgres.url.as_str()).unwrap_or_default();
            prism(places, folder, Storage::Postgres(url)).await?
        }
    };
    let records = Arc::new(Records::new(options.records, values));
    let clients = target.clients(options.connections, options.in_flight).await?;
    Ok(Entrant { target, records, clients })
}

/// The figures of each operation and target, a round each.
async fn rounds(
    options: &Options,
    entrants: &mut [Entrant],
) -> Result<HashMap<(Operation, Kind), Vec<Figures>>, Failure> {
    let steps = entrants.len() * (1 + options.rounds * options.operations.len());
    let progress = progress(steps as u64);
    for entrant in &mut *entrants {
        progress.set_message(format!("{}: writing the records", entrant.target.kind.name()));
        if entrant.target.kind.stores() {
            let clients = std::mem::take(&mut entrant.clients);
            entrant.clients = preload(clients, &entrant.records).await.map_err(|why| named(entrant, &why))?;
        }
        progress.inc(1);
    }
    let mut figures: HashMap<_, Vec<_>> = HashMap::new();
    let mut measurement = 0;
    for round in 1..=options.rounds {
        for &operation in &options.operations {
            for entrant in &mut *entrants {
                let name = entrant.target.kind.name();
                progress.set_message(format!("round {round}, {}: {name}", operation.name()));
                measurement += 1;
                let clients = std::mem::take(&mut entrant.clients);
                let (clients, measured) = measure(
                    clients,
                    &entrant.records,
                    operation,
                    options.warm_up(),
                    options.length(),
                    measurement << 52,
                )
                .await
                .map_err(|why| named(entrant, &why))?;
                entrant.clients = clients;
                figures.entry((operation, entrant.target.kind)).or_default().push(measured);
                progress.inc(1);
            }
        }
    }
    progress.finish_and_clear();
    Ok(figures)
}

fn named(entrant: &Entrant, why: &Failure) -> Failure {
    Failure::of(entrant.target.kind.name(), why)
}

/// On a terminal a bar, elsewhere nothing.
fn progress(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
    let bar = ProgressBar::new(steps);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
