//! Load on one gateway: a mix of requests at a target rate or with a fixed number in flight; a list of either is a series.

pub mod frontier;
pub mod keys;
pub mod mix;
pub mod options;
pub mod preload;
mod report;
pub mod series;
pub mod state;
mod steps;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use self::keys::Keys;
use self::mix::Mix;
pub use self::mix::{Step, Workload};
pub use self::options::{Options, Point};
use self::preload::preload;
pub use self::report::{Measured, Report};
use self::state::State;
use crate::client::Grpc;
use crate::drive::open::Rate;
use crate::drive::{closed, open};
use crate::failure::Failure;
use crate::target::{Locations, Postgres, Started, Target, sizes, start};

/// Measures each point of the series.
///
/// # Errors
/// A server does not start, the options contradict each other, or an answer was wrong.
pub async fn run(options: &Options) -> Result<Report, Failure> {
    let mix = options.mix.mix(options.read_share).map_err(Failure::Usage)?;
    let choice = options.keys.unwrap_or(options.mix.choice());
    let keys = Keys::new(choice, options.records).map_err(Failure::Usage)?;
    let values = sizes(&options.value_bytes).map_err(Failure::Usage)?;
    let server = Server::find(options).await?;
    let clients = connect(server.endpoint(), 4).await?;
    let mut versions = vec![clients[0].clone().describe().await?];
    versions.extend(server.started.as_ref().map(|target| target.version.clone()));
    versions.extend(server.postgres.as_ref().map(|postgres| postgres.description.clone()));

    let state = Arc::new(State::new(mix, keys, values, options.records, options.items()));
    let progress = show_progress(&state);
    progress.bar.set_message("writing the records");
    preload(&clients, &state).await?;
    let mut measured = Vec::new();
    for (seed, point) in (1_u64..).zip(options.points()) {
        progress.bar.set_message(describe(&point));
        measured.push(measure(options, &state, server.endpoint(), point, mix, seed).await?);
    }
    drop(progress);
    drop(server);
    Ok(Report::new(options, choice, mix, versions, measured))
}

async fn measure(
    options: &Options,
    state: &Arc<State>,
    endpoint: &str,
    point: Point,
    mix: Mix,
    seed: u64,
) -> Result<Measured, Failure> {
    let channels = connect(endpoint, point.connections).await?;
    let (warm_up, length) = (options.warm_up(), options.length());
    let (tallies, cpu) = if let Some(per_second) = point.rate {
        let rate = Rate { per_second, most_in_flight: options.most_in_flight };
        open::measure(channels, state, warm_up, length, rate, seed).await?
    } else {
        let in_flight = point.in_flight.unwrap_or(1);
        let clients =
            channels.iter().flat_map(|client| std::iter::repeat_n(client.clone(), in_flight)).collect();
        let measured = closed::measure(clients, state, warm_up, length, seed).await?;
        (measured.tallies, measured.cpu)
    };
    Ok(Measured::new(point, mix, &tallies, length, cpu))
}

async fn connect(endpoint: &str, connections: usize) -> Result<Vec<Grpc>, Failure> {
    let mut clients = Vec::with_capacity(connections);
    for _ in 0..connections {
        clients.push(Grpc::connect(endpoint, true).await?);
    }
    Ok(clients)
}

/// The gateway under load.
struct Server {
    external: Option<String>,
    started: Option<Box<Target>>,
    /// Dropped after the gateway.
    postgres: Option<Postgres>,
}

impl Server {
    async fn find(options: &Options) -> Result<Self, Failure> {
        let Some(serve) = options.serve else {
            return Ok(Self { external: options.endpoint.clone(), started: None, postgres: None });
        };
        let locations = Locations::of(&options.locations)?;
        let kind = serve.kind();
        let postgres = if kind.needs_postgres() { Postgres::start(&locations)? } else { None };
        match start(kind, &locations, postgres.as_ref(), &options.value_bytes).await? {
            Started::Running(target) => Ok(Self { external: None, started: Some(target), postgres }),
            Started::NotInstalled(how) => {
                Err(Failure::Failed(format!("{} is not installed ({how})", kind.name())))
            }
        }
    }

    fn endpoint(&self) -> &str {
        let started = self.started.as_ref().map(|target| target.endpoint.as_str());
        started.or(self.external.as_deref()).unwrap_or_default()
    }
}

fn describe(point: &Point) -> String {
    match (point.rate, point.in_flight) {
        (Some(rate), _) => format!("{rate} requests/s on {} connections", point.connections),
        (None, in_flight) => format!("{} x {} in flight", point.connections, in_flight.unwrap_or(1)),
    }
}

/// Progress display on a terminal, until dropped.
struct Progress {
    bar: ProgressBar,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

fn show_progress(state: &Arc<State>) -> Progress {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{elapsed} {msg}: {prefix} answers/s") {
        bar.set_style(style);
    }
    let (shown, state) = (bar.clone(), Arc::clone(state));
    let task = tokio::spawn(async move {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let mut before = 0;
        loop {
            second.tick().await;
            let ended = state.ended.load(Ordering::Relaxed);
            shown.set_prefix((ended - before).to_string());
            shown.tick();
            before = ended;
        }
    });
    Progress { bar, task }
}
