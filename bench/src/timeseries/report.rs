//! The results of `timeseries`.

use serde::Serialize;

use super::measure::Round;
use super::{Kind, Options};
use crate::machine::{Machine, command};
use crate::stats::Spread;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Appends, a fixed number in flight.
    Append,
    /// Queries of the last 1,000 events of a series.
    Query,
    /// The delay of an event from its Append to its arrival in a Tail.
    Tail,
    /// The memory of Tails that wait.
    Idle,
}

impl Operation {
    /// All operations, in table order.
    pub const ALL: [Self; 4] = [Self::Append, Self::Query, Self::Tail, Self::Idle];
}

/// The results.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The machine.
    pub machine: Machine,
    /// The command line.
    pub command: String,
    /// The options in effect.
    pub options: Options,
    /// The measured versions.
    pub versions: Vec<String>,
    /// One row per level, operation and target.
    pub rows: Vec<Row>,
}

/// One operation on one target at one level.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The operation.
    pub operation: Operation,
    /// The target.
    pub target: Kind,
    /// Number of events that there are; for Appends, at their end.
    pub events: u64,
    /// Whether it is not installed.
    pub not_installed: bool,
    /// Events a second of each round; for a Query, queries a second.
    pub rates: Vec<f64>,
    /// Median latency of each round, in microseconds.
    pub p50: Vec<f64>,
    /// P99 of each round, in microseconds.
    pub p99: Vec<f64>,
    /// The generator's share of all cores, in each round.
    pub cpu: Vec<f64>,
    /// Number of idle tails, and the gateway's memory without and with them, in bytes.
    pub idle: Option<(usize, u64, u64)>,
}

impl Row {
    pub(super) fn new(operation: Operation, target: Kind, events: u64) -> Self {
        Self {
            operation,
            target,
            events,
            not_installed: false,
            rates: Vec::new(),
            p50: Vec::new(),
            p99: Vec::new(),
            cpu: Vec::new(),
            idle: None,
        }
    }

    pub(super) fn not_installed(target: Kind) -> Self {
        Self { not_installed: true, ..Self::new(Operation::Append, target, 0) }
    }

    pub(super) fn idle(target: Kind, tails: usize, before: u64, after: u64) -> Self {
        Self { idle: Some((tails, before, after)), ..Self::new(Operation::Idle, target, 0) }
    }

    #[expect(clippy::cast_precision_loss, reason = "no latency has 2^52 nanoseconds")]
    pub(super) fn add(&mut self, round: &Round) {
        let micros = |quantile| round.latencies.value_at_quantile(quantile) as f64 / 1_000.0;
        self.rates.push(round.rate);
        self.p50.push(micros(0.5));
        self.p99.push(micros(0.99));
        self.cpu.push(round.cpu);
    }

    pub(super) fn is_measured(&self) -> bool {
        !self.rates.is_empty()
    }

    /// The line of a table.
    fn line(&self, copy: Option<f64>) -> String {
        let spread = |figures: &[f64]| Spread::of(figures.iter().copied());
        let target = self.target.name();
        if self.not_installed {
            return format!(
                "| {target} | | not installed (apt-get install postgresql, or give --postgres URL) | | | | |\n"
            );
        }
        let rate = spread(&self.rates);
        let ratio = copy.map_or("-".to_owned(), |copy| format!("{:.2}", rate.median / copy));
        format!(
            "| {target} | {} | {} | {} | {} | {ratio} | {:.0} % |\n",
            self.events,
            rate.text(),
            spread(&self.p50).text(),
            spread(&self.p99).text(),
            spread(&self.cpu).median * 100.0,
        )
    }
}

impl Report {
    pub(super) fn new(options: &Options, rows: Vec<Row>, versions: Vec<String>) -> Self {
        Self { machine: Machine::here(), command: command(), options: options.clone(), versions, rows }
    }

    /// The tables with the parameters of the measurement, as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for (operation, unit) in
            [(Operation::Append, "events/s"), (Operation::Query, "queries/s"), (Operation::Tail, "events/s")]
        {
            let rows: Vec<_> = self.rows.iter().filter(|row| row.operation == operation).collect();
            if rows.is_empty() {
                continue;
            }
            let name = crate::arguments::value_name(&operation);
            text += &format!(
                "| {name}: target | events | {unit}, median (min..max) | p50 µs | p99 µs | of COPY | generator CPU |\n\
                 | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            );
            for row in rows {
                text += &row.line(self.copy(row));
            }
            text += "\n";
        }
        let idle = self.rows.iter().filter_map(|row| Some((row.target.name(), row.idle?)));
        for (target, (tails, before, after)) in idle {
            let mib = |bytes: u64| bytes >> 20;
            text += &format!(
                "{tails} idle tails of {target}: {} MiB without, {} MiB with them, {} KiB for each.\n\n",
                mib(before),
                mib(after),
                (after.saturating_sub(before) >> 10) / tails.max(1) as u64,
            );
        }
        let options = &self.options;
        text += &format!(
            "{} rounds, targets alternating; Appends of {} events of {} bytes to {} series, {} in flight on {} connections; \
             queries of the last 1,000 events, one after the other; tails at {} events a second.\nMachine: {}.\n",
            options.rounds,
            options.batch,
            options.payload_bytes,
            options.spread,
            options.connections * options.in_flight,
            options.connections,
            options.tail_rate,
            self.machine.line(),
        );
        for version in &self.versions {
            text += &format!("- {version}\n");
        }
        text
    }

    /// The rate of a COPY of the same events.
    fn copy(&self, row: &Row) -> Option<f64> {
        let is_copy = |other: &&Row| {
            other.target == Kind::PostgresCopy
                && other.operation == row.operation
                && other.events == row.events
        };
        if row.operation != Operation::Append || !row.target.needs_postgres() {
            return None;
        }
        let copy = self.rows.iter().find(is_copy)?;
        Some(Spread::of(copy.rates.iter().copied()).median)
    }
}
