//! Results of a load, as a table and as JSON.

use std::time::Duration;

use serde::Serialize;

use super::keys::Choice;
use super::mix::Mix;
use super::{Options, Point};
use crate::arguments::value_name;
use crate::machine::{Machine, command};
use crate::tally::{Figures, Tally};

/// The results.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The machine.
    pub machine: Machine,
    /// The command line.
    pub command: String,
    /// The options in effect.
    pub options: Options,
    /// The key distribution.
    pub keys: Choice,
    /// The fraction of the mix's first kind of step.
    pub share: f64,
    /// The measured versions.
    pub versions: Vec<String>,
    /// The series.
    pub points: Vec<Measured>,
}

/// One point of the series.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Its parameters.
    #[serde(flatten)]
    pub point: Point,
    /// All steps together.
    pub all: Figures,
    /// Each kind of step, if there are several.
    pub steps: Vec<StepFigures>,
}

/// One kind of step.
#[derive(Debug, Serialize)]
pub struct StepFigures {
    /// Its name.
    pub step: &'static str,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

impl Measured {
    pub(super) fn new(point: Point, mix: Mix, tallies: &[Tally], length: Duration, cpu: f64) -> Self {
        let mut sum = Tally::default();
        for tally in tallies {
            sum.add(tally);
        }
        let steps = mix
            .classes()
            .iter()
            .zip(tallies)
            .map(|(step, tally)| StepFigures { step: step.name(), figures: tally.figures(length, cpu) });
        let steps = if tallies.len() > 1 { steps.collect() } else { Vec::new() };
        Self { point, all: sum.figures(length, cpu), steps }
    }
}

impl Report {
    pub(super) fn new(
        options: &Options,
        keys: Choice,
        mix: Mix,
        versions: Vec<String>,
        points: Vec<Measured>,
    ) -> Self {
        Self {
            machine: Machine::here(),
            command: command(),
            options: options.clone(),
            keys,
            share: mix.share,
            versions,
            points,
        }
    }

    /// The table with the parameters of the measurement, as Markdown.
    pub fn markdown(&self) -> String {
        let open = !self.options.rate.is_empty();
        let parameter = if open { "target requests/s" } else { "in flight" };
        let mut text = format!(
            "| {parameter} | requests | requests/s | p50 ms | p90 ms | p99 ms | p99.9 ms | max ms | shed | errors | not sent | lost races | generator CPU |\n\
             | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        );
        for measured in &self.points {
            let point = &measured.point;
            let parameter = match (point.rate, point.in_flight) {
                (Some(rate), _) => format!("{rate}"),
                (None, each) => format!("{} × {}", point.connections, each.unwrap_or(1)),
            };
            let name =
                if measured.steps.is_empty() { value_name(&self.options.mix) } else { "all".to_owned() };
            text += &line(&parameter, &name, &measured.all);
            for step in &measured.steps {
                text += &line("", step.step, &step.figures);
            }
        }
        let options = &self.options;
        text += &format!(
            "\nMix {} ({} % {}), keys {}; {} records, {} items each, values of {} bytes; {} s per measurement after {} s of warm-up; {}.\nMachine: {}.\n",
            value_name(&options.mix),
            (self.share * 100.0).round(),
            options.mix.mix(None).map(|mix| mix.steps[0].name()).unwrap_or_default(),
            value_name(&self.keys),
            options.records,
            options.items(),
            options.value_bytes,
            options.seconds,
            options.warm_up,
            if open { "open loop, latencies from the intended start" } else { "closed loop" },
            self.machine.line(),
        );
        for version in &self.versions {
            text += &format!("- {version}\n");
        }
        for error in self.points.iter().filter_map(|point| point.all.first_error.as_deref()).take(1) {
            text += &format!("- first error: {error}\n");
        }
        text
    }
}

fn line(parameter: &str, name: &str, figures: &Figures) -> String {
    let ms = |nanoseconds: u64| {
        #[expect(clippy::cast_precision_loss, reason = "no latency is 2^52 nanoseconds")]
        let ms = nanoseconds as f64 / 1e6;
        if ms < 10.0 { format!("{ms:.3}") } else { format!("{ms:.1}") }
    };
    format!(
        "| {parameter} | {name} | {:.0} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} % |\n",
        figures.rate,
        ms(figures.p50_ns),
        ms(figures.p90_ns),
        ms(figures.p99_ns),
        ms(figures.p999_ns),
        ms(figures.max_ns),
        figures.shed,
        figures.errors,
        figures.unsent,
        figures.lost_races,
        figures.generator_cpu * 100.0,
    )
}
