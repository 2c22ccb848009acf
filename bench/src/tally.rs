//! Counts of a measurement: answers with their latencies, and failed calls.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::client::CallFailure;

/// Counts of one measurement.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Latencies of answers, in nanoseconds, with three significant digits.
    latencies: Histogram<u64>,
    /// Answers within the measured time.
    completed: u64,
    /// Calls that were shed: RESOURCE_EXHAUSTED.
    pub shed: u64,
    /// Calls that failed with another error.
    pub errors: u64,
    /// Calls that were due but could not be sent.
    pub unsent: u64,
    /// Conditional writes that lost to a concurrent write, which is no error.
    pub lost_races: u64,
    /// The first error.
    pub first_error: Option<String>,
}

impl Default for Tally {
    fn default() -> Self {
        let latencies = Histogram::new(3).expect("three digits are allowed");
        Self { latencies, completed: 0, shed: 0, errors: 0, unsent: 0, lost_races: 0, first_error: None }
    }
}

impl Tally {
    /// Counts an answer within the measured time.
    pub fn completed(&mut self) {
        self.completed += 1;
    }

    /// Records the latency of an answer.
    pub fn latency(&mut self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX).max(1);
        // The histogram resizes itself; only a latency beyond 2^63 ns would not fit.
        let _ = self.latencies.record(nanoseconds);
    }

    /// Counts a failed call.
    pub fn failed(&mut self, failure: CallFailure) {
        match failure {
            CallFailure::Shed => self.shed += 1,
            CallFailure::Error(why) | CallFailure::Wrong(why) => {
                self.errors += 1;
                self.first_error.get_or_insert(why);
            }
        }
    }

    /// Adds another tally.
    pub fn add(&mut self, other: &Self) {
        let _ = self.latencies.add(&other.latencies);
        self.shed += other.shed;
        self.errors += other.errors;
        self.completed += other.completed;
        self.unsent += other.unsent;
        self.lost_races += other.lost_races;
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
    }

    /// Answers whose latency counts.
    pub fn answers(&self) -> u64 {
        self.latencies.len()
    }

    /// The figures of a measurement of length `elapsed`.
    pub fn figures(&self, elapsed: Duration, generator_cpu: f64) -> Figures {
        let at = |quantile| self.latencies.value_at_quantile(quantile);
        #[expect(clippy::cast_precision_loss, reason = "no measurement has 2^52 answers")]
        let completed = self.completed as f64;
        Figures {
            rate: completed / elapsed.as_secs_f64(),
            answers: self.answers(),
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns: self.latencies.max(),
            shed: self.shed,
            errors: self.errors,
            unsent: self.unsent,
            lost_races: self.lost_races,
            first_error: self.first_error.clone(),
            generator_cpu,
        }
    }
}

/// The figures of one measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Answers per second.
    pub rate: f64,
    /// Answers whose latency counts.
    pub answers: u64,
    /// Median latency, in nanoseconds.
    pub p50_ns: u64,
    /// 90th percentile.
    pub p90_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
    /// Maximum.
    pub max_ns: u64,
    /// Calls that were shed: RESOURCE_EXHAUSTED.
    pub shed: u64,
    /// Calls that failed with another error.
    pub errors: u64,
    /// Calls that were due but could not be sent.
    pub unsent: u64,
    /// Conditional writes that lost to a concurrent write, which is no error.
    pub lost_races: u64,
    /// The first error.
    pub first_error: Option<String>,
    /// The fraction of all cores used by the load generator: 0 to 1.
    pub generator_cpu: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_accurate_to_a_thousandth() {
        let mut tally = Tally::default();
        for microseconds in 1..=1000 {
            tally.completed();
            tally.latency(Duration::from_micros(microseconds));
        }
        let figures = tally.figures(Duration::from_secs(2), 0.0);
        assert!(figures.p50_ns.abs_diff(500_000) <= 500, "{}", figures.p50_ns);
        assert!(figures.p99_ns.abs_diff(990_000) <= 1_000, "{}", figures.p99_ns);
        assert!((figures.rate - 500.0).abs() < 1e-9);
    }

    #[test]
    fn failures_are_counted_separately_from_answers() {
        let mut tally = Tally::default();
        tally.failed(CallFailure::Shed);
        tally.failed(CallFailure::Error("unavailable".to_owned()));
        tally.failed(CallFailure::Error("later".to_owned()));
        let mut sum = Tally::default();
        sum.add(&tally);
        assert_eq!((sum.answers(), sum.shed, sum.errors), (0, 1, 2));
        assert_eq!(sum.first_error.as_deref(), Some("unavailable"));
    }
}
