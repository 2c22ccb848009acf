//! Cost of a request as data, records, values and connections grow, and the gateway's memory.

mod cases;
mod report;
mod scanners;

use std::sync::Arc;
use std::time::Duration;

use clap::builder::TypedValueParser as _;
use indicatif::ProgressBar;
use serde::Serialize;

use self::cases::Case;
pub use self::cases::Section;
pub use self::report::{Report, Row};
pub use self::scanners::ScannerStats;
use self::scanners::Scanners;
use crate::arguments::{LocationOptions, Output, seconds};
use crate::client::Grpc;
use crate::drive::closed;
use crate::failure::Failure;
use crate::load::Step;
use crate::load::keys::{Choice, Keys};
use crate::load::mix::Mix;
use crate::load::options::Serve;
use crate::load::preload::preload;
use crate::load::state::State;
use crate::tally::Tally;
use crate::target::{Locations, Postgres, Started, Target, sizes, start};

/// Options of `scale`.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct Options {
    /// The gateway's storage.
    #[arg(long, value_enum, default_value = "sqlite")]
    pub serve: Serve,
    /// The dimensions to scale, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Section::ALL)]
    pub only: Vec<Section>,
    /// Include 10^7 items, which takes minutes and gigabytes.
    #[arg(long)]
    pub large: bool,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    pub seconds: f64,
    /// Seconds of warm-up before each measurement.
    #[arg(long, default_value_t = 0.5, value_parser = seconds)]
    pub warm_up: f64,
    /// Connections, unless they are scaled.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub connections: usize,
    /// Requests in flight on each connection, unless connections are scaled.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub in_flight: usize,
    /// Number of slow stream readers.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub scanners: usize,
    /// Items per message for slow readers; 0: the gateway's choice. 1000 readers of 1000 items per second would not be
    /// slow, but more than a small machine can serve.
    #[arg(long, default_value_t = 100)]
    pub scanner_items: u32,
    /// Locations of programs and data.
    #[command(flatten)]
    #[serde(flatten)]
    pub locations: LocationOptions,
    /// Output files.
    #[command(flatten)]
    #[serde(skip)]
    pub output: Output,
}

/// Measures each case on a separate gateway with separate data.
///
/// # Errors
/// No server can be started. Failures of single cases are in the report.
pub async fn run(options: &Options) -> Result<Report, Failure> {
    crate::process::allow_many_files();
    let locations = Locations::of(&options.locations)?;
    let needed = options.serve.kind().needs_postgres();
    let mut postgres = if needed { Postgres::start(&locations)? } else { None };
    let progress = ProgressBar::new_spinner();
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for case in cases::cases(options) {
        progress.set_message(case.name());
        progress.tick();
        if let Some(postgres) = &mut postgres {
            postgres.create_scratch().await?;
        }
        // A failed case does not affect the others.
        match measure(options, &locations, postgres.as_ref(), &case).await {
            Ok(measured) => rows.extend(measured),
            Err(why) => failed.push(format!("{}: {why}", case.name())),
        }
    }
    let versions = postgres.as_ref().map(|postgres| postgres.description.clone());
    if let Some(postgres) = &mut postgres {
        postgres.drop_scratch().await?;
    }
    progress.finish_and_clear();
    Ok(Report::new(options, rows, failed, versions.into_iter().collect()))
}

async fn measure(
    options: &Options,
    locations: &Locations,
    postgres: Option<&Postgres>,
    case: &Case,
) -> Result<Vec<Row>, Failure> {
    let kind = options.serve.kind();
    let target = match start(kind, locations, postgres, &case.value_bytes).await? {
        Started::Running(target) => target,
        Started::NotInstalled(how) => {
            return Err(Failure::Failed(format!("{} is not installed ({how})", kind.name())));
        }
    };
    let mut channels = Vec::new();
    for _ in 0..case.connections {
        channels.push(Grpc::connect(&target.endpoint, true).await?);
    }
    let values = sizes(&case.value_bytes).map_err(Failure::Usage)?;
    let keys = Keys::new(Choice::Uniform, case.records).map_err(Failure::Usage)?;
    let state =
        Arc::new(State::new(Mix::only(case.steps[0]), keys.clone(), values, case.records, case.items));
    preload(&channels[..channels.len().min(4)], &state).await?;
    let clients = |in_flight| -> Vec<Grpc> {
        channels.iter().flat_map(|client| std::iter::repeat_n(client.clone(), in_flight)).collect()
    };
    let mut rows = Vec::new();
    for &step in &case.steps {
        state.only(step);
        rows.push(step_row(options, &target, case, &state, step, clients(case.in_flight)).await?);
    }
    if case.section == Section::SlowScanners {
        let scanners = Scanners::open(&target.endpoint, options.scanners, options.scanner_items).await?;
        let row = step_row(options, &target, case, &state, case.steps[0], clients(case.in_flight)).await;
        let stats = scanners.stats();
        scanners.close().await;
        rows.push(Row { scanners: Some(stats), ..row? });
    }
    Ok(rows)
}

async fn step_row(
    options: &Options,
    target: &Target,
    case: &Case,
    state: &Arc<State>,
    step: Step,
    clients: Vec<Grpc>,
) -> Result<Row, Failure> {
    let (warm_up, length) =
        (Duration::from_secs_f64(options.warm_up), Duration::from_secs_f64(options.seconds.max(0.01)));
    let measured = closed::measure(clients, state, warm_up, length, 1).await?;
    let mut sum = Tally::default();
    for tally in &measured.tallies {
        sum.add(tally);
    }
    let (memory, peak_memory) =
        target.server.as_ref().map(crate::process::Server::memory).unwrap_or_default();
    Ok(Row {
        section: case.section,
        case: case.name(),
        request: step.name(),
        scanners: None,
        figures: sum.figures(length, measured.cpu),
        memory_bytes: memory,
        most_memory_bytes: peak_memory,
    })
}
