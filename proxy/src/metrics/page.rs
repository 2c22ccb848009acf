//! A page of metrics: families of counters, gauges and histograms, each with all its series; as text, or for OTLP.

use std::fmt;

use prism_backends::observe::Distribution;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;

use super::otlp::OtlpPage;

/// The labels of a series.
pub(crate) type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

/// A page that is being written.
pub(crate) struct Page<'a>(Form<'a>);

/// The form of a page.
enum Form<'a> {
    Text(DescriptorEncoder<'a>),
    Otlp(&'a mut OtlpPage),
}

/// A family of metrics.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family<'a> {
    /// With its unit.
    pub(super) name: &'a str,
    pub(super) help: &'a str,
    pub(super) kind: Kind,
}

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The value of a series.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(Number),
    Counts {
        counts: Distribution,
        /// What its numbers are divided by.
        per_unit: f64,
    },
}

/// A number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Whole(u64),
    Float(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self::Whole(number as u64)
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl<'a> Page<'a> {
    /// As text.
    pub(super) fn text(encoder: DescriptorEncoder<'a>) -> Self {
        Self(Form::Text(encoder))
    }

    /// For OTLP.
    pub(super) fn otlp(page: &'a mut OtlpPage) -> Self {
        Self(Form::Otlp(page))
    }

    /// Counters: numbers that only grow. In text, `_total` is appended to the name.
    pub(crate) fn counter<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        let family = Family { name, help, kind: Kind::Counter };
        self.family(family, series.into_iter().map(|(labels, count)| (labels, Value::Number(count.into()))))
    }

    /// A counter of seconds.
    #[cfg(target_os = "linux")]
    pub(super) fn counter_seconds(&mut self, name: &str, help: &str, seconds: f64) -> fmt::Result {
        self.family(Family { name, help, kind: Kind::Counter }, [([], Value::Number(seconds.into()))])
    }

    /// Gauges: numbers that grow and shrink.
    pub(crate) fn gauge<'l, const N: usize, V: Into<Number>>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l, N>, V)>,
    ) -> fmt::Result {
        let family = Family { name, help, kind: Kind::Gauge };
        self.family(family, series.into_iter().map(|(labels, value)| (labels, Value::Number(value.into()))))
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

    fn distributions<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        per_unit: f64,
        series: impl IntoIterator<Item = (Labels<'l, N>, Distribution)>,
    ) -> fmt::Result {
        let family = Family { name, help, kind: Kind::Histogram };
        let series = series.into_iter().map(|(labels, counts)| (labels, Value::Counts { counts, per_unit }));
        self.family(family, series)
    }

    /// A family without series is left out.
    fn family<'l, const N: usize>(
        &mut self,
        family: Family<'_>,
        series: impl IntoIterator<Item = (Labels<'l, N>, Value)>,
    ) -> fmt::Result {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        match &mut self.0 {
            Form::Text(encoder) => write_text(encoder, family, series),
            Form::Otlp(page) => {
                page.family(family, series);
                Ok(())
            }
        }
    }
}

fn write_text<'l, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    Family { name, help, kind }: Family<'_>,
    series: impl Iterator<Item = (Labels<'l, N>, Value)>,
) -> fmt::Result {
    // OpenMetrics: the name of a metric with a unit ends with the unit.
    let units = [("_seconds", Unit::Seconds), ("_bytes", Unit::Bytes)];
    let unit = units.iter().find_map(|(suffix, unit)| Some((name.strip_suffix(suffix)?, unit)));
    let (name, unit) = unit.map_or((name, None), |(name, unit)| (name, Some(unit)));
    let metric_type = match kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    let mut family = encoder.encode_descriptor(name, help, unit, metric_type)?;
    for (labels, value) in series {
        if N == 0 {
            write_value(&mut family, kind, &value)?;
        } else {
            write_value(&mut family.encode_family(&labels)?, kind, &value)?;
        }
    }
    Ok(())
}

fn write_value(series: &mut MetricEncoder<'_>, kind: Kind, value: &Value) -> fmt::Result {
    match (kind, value) {
        (Kind::Counter, Value::Number(Number::Whole(count))) => {
            series.encode_counter(count, None::<&Exemplar<NoLabelSet, u64>>)
        }
        (Kind::Counter, Value::Number(Number::Float(count))) => {
            series.encode_counter(count, None::<&Exemplar<NoLabelSet, f64>>)
        }
        (_, Value::Number(Number::Whole(number))) => series.encode_gauge(number),
        (_, Value::Number(Number::Float(number))) => series.encode_gauge(number),
        (_, Value::Counts { counts, per_unit }) => {
            let bounds = bounds(counts, *per_unit).chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(counts.counts.iter().copied()).collect();
            let sum = sum(counts, *per_unit);
            series.encode_histogram(sum, counts.count(), &buckets, None::<&NoExemplars>)
        }
    }
}

/// The upper bounds of a distribution's ranges.
#[expect(clippy::cast_precision_loss, reason = "bounds are small")]
pub(super) fn bounds(counts: &Distribution, per_unit: f64) -> impl Iterator<Item = f64> {
    counts.bounds.iter().map(move |bound| *bound as f64 / per_unit)
}

/// The sum of a distribution's values.
#[expect(clippy::cast_precision_loss, reason = "a sum is exact to 2^53")]
pub(super) fn sum(counts: &Distribution, per_unit: f64) -> f64 {
    counts.sum as f64 / per_unit
}

type NoExemplars = std::collections::HashMap<usize, Exemplar<NoLabelSet, f64>>;
