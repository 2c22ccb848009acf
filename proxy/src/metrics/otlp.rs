//! The page of metrics as a request of OTLP. Names and labels are those of the text, without `_total`, so that what a collector
//! exposes for Prometheus is the same page.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::any_value::Value as Text;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as PointValue;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};

use super::page::{Family, Kind, Labels, Number, Value, bounds, sum};

/// A page that is being made.
pub(super) struct OtlpPage {
    metrics: Vec<Metric>,
    started_nanos: u64,
    now_nanos: u64,
}

impl OtlpPage {
    /// A page of what was counted since `started`.
    pub(super) fn since(started: SystemTime) -> Self {
        Self { metrics: Vec::new(), started_nanos: nanos(started), now_nanos: nanos(SystemTime::now()) }
    }

    /// The metrics.
    pub(super) fn into_metrics(self) -> Vec<Metric> {
        self.metrics
    }

    /// Adds a family.
    pub(super) fn family<'l, const N: usize>(
        &mut self,
        Family { name, help, kind }: Family<'_>,
        series: impl Iterator<Item = (Labels<'l, N>, Value)>,
    ) {
        let unit = match name {
            name if name.ends_with("_seconds") => "s",
            name if name.ends_with("_bytes") => "By",
            _ => "",
        };
        let temporality = AggregationTemporality::Cumulative as i32;
        let data = match kind {
            Kind::Gauge => Data::Gauge(Gauge { data_points: self.numbers(series, 0) }),
            Kind::Counter => Data::Sum(Sum {
                data_points: self.numbers(series, self.started_nanos),
                aggregation_temporality: temporality,
                is_monotonic: true,
            }),
            Kind::Histogram => Data::Histogram(Histogram {
                data_points: self.histograms(series),
                aggregation_temporality: temporality,
            }),
        };
        self.metrics.push(Metric {
            name: name.to_owned(),
            description: help.to_owned(),
            unit: unit.to_owned(),
            data: Some(data),
            ..Metric::default()
        });
    }

    fn numbers<'l, const N: usize>(
        &self,
        series: impl Iterator<Item = (Labels<'l, N>, Value)>,
        started_nanos: u64,
    ) -> Vec<NumberDataPoint> {
        let numbers = series.filter_map(|(labels, value)| match value {
            Value::Number(number) => Some((labels, number)),
            Value::Counts { .. } => None,
        });
        numbers
            .map(|(labels, number)| NumberDataPoint {
                attributes: attributes(&labels),
                start_time_unix_nano: started_nanos,
                time_unix_nano: self.now_nanos,
                value: Some(match number {
                    Number::Whole(number) => PointValue::AsInt(i64::try_from(number).unwrap_or(i64::MAX)),
                    Number::Float(number) => PointValue::AsDouble(number),
                }),
                ..NumberDataPoint::default()
            })
            .collect()
    }

    fn histograms<'l, const N: usize>(
        &self,
        series: impl Iterator<Item = (Labels<'l, N>, Value)>,
    ) -> Vec<HistogramDataPoint> {
        let distributions = series.filter_map(|(labels, value)| match value {
            Value::Counts { counts, per_unit } => Some((labels, counts, per_unit)),
            Value::Number(_) => None,
        });
        distributions
            .map(|(labels, counts, per_unit)| HistogramDataPoint {
                attributes: attributes(&labels),
                start_time_unix_nano: self.started_nanos,
                time_unix_nano: self.now_nanos,
                count: counts.count(),
                sum: Some(sum(&counts, per_unit)),
                explicit_bounds: bounds(&counts, per_unit).collect(),
                bucket_counts: counts.counts,
                ..HistogramDataPoint::default()
            })
            .collect()
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn attributes(labels: &[(&'static str, &str)]) -> Vec<KeyValue> {
    labels
        .iter()
        .map(|(name, value)| KeyValue {
            key: (*name).to_owned(),
            value: Some(AnyValue { value: Some(Text::StringValue((*value).to_owned())) }),
            ..KeyValue::default()
        })
        .collect()
}
