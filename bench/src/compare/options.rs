//! Options of `compare`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::TypedValueParser as _;
use serde::Serialize;

use super::Operation;
use crate::arguments::{LocationOptions, Output, seconds, value_bytes};
use crate::target::Kind;

/// Options of `compare`.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct Options {
    /// Measurements per operation and target.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub rounds: usize,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    pub seconds: f64,
    /// Seconds of warm-up before each measurement.
    #[arg(long, default_value_t = 0.5, value_parser = seconds)]
    pub warm_up: f64,
    /// Connections per target.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub connections: usize,
    /// Requests in flight on each connection.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub in_flight: usize,
    /// Records to preload, one item each; operations choose one at random.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub records: u64,
    /// Bytes per value, at least 16: N, or MIN..MAX.
    #[arg(long, default_value = "100", value_parser = value_bytes)]
    pub value_bytes: String,
    /// The targets, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Kind::ALL)]
    #[serde(skip)]
    pub only: Vec<Kind>,
    /// The operations, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Operation::Put, Operation::Get])]
    #[serde(skip)]
    pub operations: Vec<Operation>,
    /// Locations of programs and data.
    #[command(flatten)]
    #[serde(flatten)]
    pub locations: LocationOptions,
    /// Output files.
    #[command(flatten)]
    #[serde(skip)]
    pub output: Output,
    /// Plot the servers into this file.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub svg: Option<PathBuf>,
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
}
