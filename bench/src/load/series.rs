//! Plots of a series.

use std::path::{Path, PathBuf};

use super::Report;
use crate::arguments::value_name;
use crate::failure::Failure;
use crate::plot::{Labels, Line, linear, logarithmic};

/// Plots the report's series; returns the written files.
///
/// # Errors
/// A file cannot be written.
pub fn draw(report: &Report, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |file: &Path, why: String| Failure::of(&file.display().to_string(), &why);
    std::fs::create_dir_all(folder).map_err(|why| failed(folder, why.to_string()))?;
    let server = report.options.serve.map_or_else(String::new, |serve| format!(" on {}", value_name(&serve)));
    let what = format!(
        "mix {}{server}, values of {} bytes",
        value_name(&report.options.mix),
        report.options.value_bytes
    );
    let (file, plotted) = if report.options.rate.is_empty() {
        let file = folder.join("throughput-by-concurrency.svg");
        let title = format!("Throughput by concurrency: {what}");
        let labels = Labels { title: &title, x: "requests in flight", y: "requests per second" };
        let plotted = linear(&file, labels, &throughput(report));
        (file, plotted)
    } else {
        let file = folder.join("latency-by-rate.svg");
        let title = format!("Latency by rate: {what}");
        let labels = Labels { title: &title, x: "target requests per second", y: "latency in milliseconds" };
        let plotted = logarithmic(&file, labels, &latencies(report));
        (file, plotted)
    };
    plotted.map_err(|why| failed(&file, why))?;
    Ok(vec![file])
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no latency is 2^52 nanoseconds, and no number in flight is so high"
)]
fn latencies(report: &Report) -> Vec<Line> {
    let quantile = |name: &str, of: fn(&crate::tally::Figures) -> u64| Line {
        name: name.to_owned(),
        points: sorted(
            report
                .points
                .iter()
                .filter(|point| point.all.answers > 0)
                .filter_map(|point| Some((point.point.rate?, of(&point.all) as f64 / 1e6))),
        ),
    };
    vec![
        quantile("p50", |figures| figures.p50_ns),
        quantile("p99", |figures| figures.p99_ns),
        quantile("p99.9", |figures| figures.p999_ns),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "no number in flight is 2^52")]
fn throughput(report: &Report) -> Vec<Line> {
    let points = report.points.iter().map(|point| {
        let in_flight = point.point.connections * point.point.in_flight.unwrap_or(1);
        (in_flight as f64, point.all.rate)
    });
    vec![Line { name: format!("mix {}", value_name(&report.options.mix)), points: sorted(points) }]
}

fn sorted(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut points: Vec<_> = points.collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    points
}
