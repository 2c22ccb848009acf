//! Options of `load`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::TypedValueParser as _;
use serde::Serialize;

use super::keys::Choice;
use super::mix::Workload;
use crate::arguments::{LocationOptions, Output, rate, seconds, share, value_bytes};
use crate::target::Kind;

/// Storage of a started gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Serve {
    /// A SQLite file.
    Sqlite,
    /// A Postgres.
    Postgres,
}

impl Serve {
    /// Its kind of target.
    pub fn kind(self) -> Kind {
        match self {
            Self::Sqlite => Kind::PrismSqlite,
            Self::Postgres => Kind::PrismPostgres,
        }
    }
}

/// Target, workload and duration of a load.
#[derive(Debug, Clone, clap::Args, Serialize)]
#[command(group = clap::ArgGroup::new("server").required(true).args(["endpoint", "serve"]))]
pub struct Options {
    /// A running gateway; records are written to its namespace `bench`.
    #[arg(long, value_name = "http://HOST:PORT")]
    pub endpoint: Option<String>,
    /// Start a gateway with this storage.
    #[arg(long, value_enum)]
    pub serve: Option<Serve>,
    /// The workload.
    #[arg(long, value_enum)]
    pub mix: Workload,
    /// Fraction of reads (of scans, in e) in a mix with two kinds of request: 0 to 1; default: YCSB's.
    #[arg(long, value_parser = share)]
    pub read_share: Option<f64>,
    /// Requests per second, independent of outstanding answers: an open loop. Several, separated by commas: a series.
    #[arg(long, value_delimiter = ',', value_parser = rate, conflicts_with = "in_flight")]
    pub rate: Vec<f64>,
    /// Connections. Several: a series.
    #[arg(long, value_delimiter = ',', default_values_t = [4], value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub connections: Vec<usize>,
    /// Without a rate: requests in flight on each connection. Several: a series.
    #[arg(long, value_delimiter = ',', default_values_t = [16], value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub in_flight: Vec<usize>,
    /// With a rate: maximum of requests in flight on all connections. Requests due beyond it are not sent and count as
    /// failed.
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..).map(|max| max as usize))]
    pub most_in_flight: usize,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    pub seconds: f64,
    /// Seconds of warm-up before each measurement.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    pub warm_up: f64,
    /// Records to preload.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub records: u64,
    /// Items per record; default: 1, and 100 for mix e, which scans them.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub items_per_record: Option<u32>,
    /// Bytes per value, at least 16: N, or MIN..MAX.
    #[arg(long, default_value = "100", value_parser = value_bytes)]
    pub value_bytes: String,
    /// Key distribution; default: YCSB's, and `uniform` for put and get.
    #[arg(long, value_enum)]
    pub keys: Option<Choice>,
    /// Locations of programs and data.
    #[command(flatten)]
    #[serde(flatten)]
    pub locations: LocationOptions,
    /// Output files.
    #[command(flatten)]
    #[serde(skip)]
    pub output: Output,
    /// Plot a series into this folder: latency-by-rate.svg or throughput-by-concurrency.svg.
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip)]
    pub svg: Option<PathBuf>,
}

/// One measurement of a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Connections.
    pub connections: usize,
    /// Requests in flight per connection, in a closed loop.
    pub in_flight: Option<usize>,
    /// Requests per second, in an open loop.
    pub rate: Option<f64>,
}

impl Options {
    /// Length of a measurement.
    pub fn length(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.max(0.01))
    }

    /// Length of the warm-up.
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up)
    }

    /// Items per record.
    pub fn items(&self) -> u32 {
        self.items_per_record.unwrap_or(if self.mix == Workload::E { 100 } else { 1 })
    }

    /// The measurements, in order.
    pub fn points(&self) -> Vec<Point> {
        let mut points = Vec::new();
        for &connections in &self.connections {
            let rates =
                self.rate.iter().map(|&rate| Point { connections, in_flight: None, rate: Some(rate) });
            points.extend(rates);
            if self.rate.is_empty() {
                let closed = |&in_flight| Point { connections, in_flight: Some(in_flight), rate: None };
                points.extend(self.in_flight.iter().map(closed));
            }
        }
        points
    }
}
