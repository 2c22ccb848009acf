//! A page of metrics: families of counters, gauges and histograms, each with all its series.

use std::fmt;

use prism_backends::observe::Distribution;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;

/// The labels of a series.
pub(crate) type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

/// A page that is being written.
pub(crate) struct Page<'a>(DescriptorEncoder<'a>);

impl<'a> Page<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Counters: numbers that only grow. `_total` is appended to the name.
    pub(crate) fn counter<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, series, |series, count| {
            series.encode_counter(count, None::<&Exemplar<NoLabelSet, u64>>)
        })
    }

    /// A counter of seconds.
    #[cfg(target_os = "linux")]
    pub(super) fn counter_seconds(&mut self, name: &str, help: &str, seconds: f64) -> fmt::Result {
        self.family(name, help, MetricType::Counter, [([], seconds)], |series, seconds| {
            series.encode_counter(seconds, None::<&Exemplar<NoLabelSet, f64>>)
        })
    }

    /// Gauges: numbers that grow and shrink.
    pub(crate) fn gauge<'l, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l, N>, V)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, series, |series, value: &V| {
            let encoded: fmt::Result = series.encode_gauge(value);
            encoded
        })
    }

    /// Histograms of numbers.
    pub(crate) fn histogram<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l, N>, Distribution)>,
    ) -> fmt::Result {
        self.distributions(name, help, 1.0, series)
    }

    /// Histograms of times, from microseconds to seconds; the name ends with `_seconds`.
    pub(crate) fn seconds<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l, N>, Distribution)>,
    ) -> fmt::Result {
        self.distributions(name, help, 1_000_000.0, series)
    }

    #[expect(clippy::cast_precision_loss, reason = "bounds are small, and a sum is exact to 2^53")]
    fn distributions<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        per_unit: f64,
        series: impl IntoIterator<Item = (Labels<'l, N>, Distribution)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Histogram, series, |series, counted: &Distribution| {
            let bounds = counted.bounds.iter().map(|bound| *bound as f64 / per_unit).chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(counted.counts.iter().copied()).collect();
            let sum = counted.sum as f64 / per_unit;
            series.encode_histogram(sum, counted.count(), &buckets, None::<&NoExemplars>)
        })
    }

    /// A family without series is left out.
    fn family<'l, const N: usize, V>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        series: impl IntoIterator<Item = (Labels<'l, N>, V)>,
        encode: impl Fn(&mut MetricEncoder<'_>, &V) -> fmt::Result,
    ) -> fmt::Result {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        // OpenMetrics: the name of a metric with a unit ends with the unit.
        let units = [("_seconds", Unit::Seconds), ("_bytes", Unit::Bytes)];
        let unit = units.iter().find_map(|(suffix, unit)| Some((name.strip_suffix(suffix)?, unit)));
        let (name, unit) = unit.map_or((name, None), |(name, unit)| (name, Some(unit)));
        let mut family = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, value) in series {
            if N == 0 {
                encode(&mut family, &value)?;
            } else {
                encode(&mut family.encode_family(&labels)?, &value)?;
            }
        }
        Ok(())
    }
}

type NoExemplars = std::collections::HashMap<usize, Exemplar<NoLabelSet, f64>>;
