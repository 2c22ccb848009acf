//! Appends, queries and tails of TimeSeries as events grow: through gateways, and beside them the databases queried directly
//! and a file.

pub mod events;
mod file;
mod gateway;
mod measure;
mod postgres;
mod report;
mod sqlite;
mod store;
mod tails;

use clap::builder::TypedValueParser as _;
use indicatif::ProgressBar;
use serde::Serialize;

use self::events::Layout;
pub use self::report::{Operation, Report, Row};
pub use self::store::Kind;
use self::store::Store;
use crate::arguments::{LocationOptions, Output, seconds};
use crate::failure::Failure;
use crate::process::allow_many_files;
use crate::target::{Locations, Postgres};

/// Options of `timeseries`.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct Options {
    /// Numbers of events at which the stores are measured, growing; the Appends up to each are measured as well.
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 1_000_000])]
    pub events: Vec<u64>,
    /// The targets, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Kind::ALL)]
    pub only: Vec<Kind>,
    /// The operations, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Operation::ALL)]
    pub operations: Vec<Operation>,
    /// Parts of each measurement. The targets take turns after each.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub rounds: usize,
    /// Maximum number of series. Each has 1,000 events where there are as many events.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub series: u64,
    /// Events per Append.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub batch: u64,
    /// Number of series that each Append writes to.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub spread: u64,
    /// Bytes per payload.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(8..=65_536))]
    pub payload_bytes: u32,
    /// Connections to a gateway.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub connections: usize,
    /// Appends in flight on each connection. The direct targets have as many clients.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub in_flight: usize,
    /// Queries per round, one after the other.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub queries: u32,
    /// Seconds in which tails are read, per round.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,
    /// Appends per second while tails are read.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub tail_rate: u32,
    /// Number of idle tails whose memory is measured.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub idle_tails: usize,
    /// Locations of programs and data.
    #[command(flatten)]
    #[serde(flatten)]
    pub locations: LocationOptions,
    /// Output files.
    #[command(flatten)]
    #[serde(skip)]
    pub output: Output,
}

/// Measures, level by level and round by round.
///
/// # Errors
/// A target does not start, a call fails, or an answer is wrong.
pub async fn run(options: &Options) -> Result<Report, Failure> {
    allow_many_files();
    let payload = usize::try_from(options.payload_bytes).unwrap_or_default();
    let layout = Layout::new(&options.events, options.series, options.batch, payload, options.spread)
        .map_err(Failure::Usage)?;
    let locations = Locations::of(&options.locations)?;
    let needed = options.only.iter().any(|kind| kind.needs_postgres());
    let mut postgres = if needed { Postgres::start(&locations)? } else { None };
    if let Some(postgres) = &mut postgres {
        postgres.create_scratch().await?;
    }
    let measured = measure_all(options, &layout, &locations, postgres.as_ref()).await;
    let description = postgres.as_ref().map(|postgres| postgres.description.clone());
    if let Some(postgres) = &mut postgres {
        postgres.drop_scratch().await?;
    }
    Ok(Report::new(options, measured?, description.into_iter().collect()))
}

async fn measure_all(
    options: &Options,
    layout: &Layout,
    locations: &Locations,
    postgres: Option<&Postgres>,
) -> Result<Vec<Row>, Failure> {
    let progress = ProgressBar::new_spinner();
    let (mut stores, mut rows) = (Vec::new(), Vec::new());
    for kind in &options.only {
        match Store::start(*kind, locations, postgres).await? {
            Some(store) => stores.push(store),
            None => rows.push(Row::not_installed(*kind)),
        }
    }
    let includes = |operation| options.operations.contains(&operation);
    if includes(Operation::Idle) {
        for store in stores.iter().filter(|store| store.kind.is_gateway()) {
            progress.set_message(format!("{}: idle tails", store.kind.name()));
            rows.push(tails::idle(store, layout, options.idle_tails).await?);
        }
    }
    let mut appended = 0;
    for &level in &options.events {
        let mut measured: Vec<_> =
            stores.iter().map(|store| Row::new(Operation::Append, store.kind, level)).collect();
        let (first, count) = (appended, level / options.batch - appended);
        for round in 0..options.rounds as u64 {
            let rounds = options.rounds as u64;
            let appends = first + count * round / rounds..first + count * (round + 1) / rounds;
            for (store, row) in stores.iter().zip(&mut measured) {
                progress.set_message(format!("{}: appends up to {level} events", store.kind.name()));
                row.add(&measure::appends(store, layout, appends.clone(), options).await?);
            }
        }
        appended = level / options.batch;
        let readers = stores.iter().filter(|store| store.kind.reads());
        let mut queries: Vec<_> =
            readers.map(|store| (store, Row::new(Operation::Query, store.kind, level))).collect();
        let gateways = stores.iter().filter(|store| store.kind.is_gateway());
        let mut tails: Vec<_> =
            gateways.map(|store| (store, Row::new(Operation::Tail, store.kind, level))).collect();
        for round in 0..options.rounds {
            for (store, row) in queries.iter_mut().filter(|_| includes(Operation::Query)) {
                progress.set_message(format!("{}: queries among {level} events", store.kind.name()));
                row.add(&measure::queries(store, layout, layout.series(appended), options, round).await?);
            }
            for (store, row) in tails.iter_mut().filter(|_| includes(Operation::Tail)) {
                progress.set_message(format!("{}: tails after {level} events", store.kind.name()));
                row.add(&tails::delays(store, layout, options, (level, round)).await?);
            }
        }
        let all = measured.into_iter().filter(|_| includes(Operation::Append));
        let reads = queries.into_iter().chain(tails).map(|(_, row)| row);
        rows.extend(all.chain(reads).filter(Row::is_measured));
    }
    progress.finish_and_clear();
    Ok(rows)
}
