//! Charts as SVG, for the pages of the book, light or dark.

mod bars;
mod theme;

use std::path::Path;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

pub use self::bars::{Bar, Group, bars};
use self::theme::{GRID, INK, PAPER, SERIES};

/// A data series.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Its points, ordered by x.
    pub points: Vec<(f64, f64)>,
}

/// A chart's labels.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    /// Title.
    pub title: &'a str,
    /// Label of the x axis, with unit.
    pub x: &'a str,
    /// Label of the y axis, with unit.
    pub y: &'a str,
}

const SIZE: (u32, u32) = (860, 480);

/// A chart with a logarithmic y axis, labelled with powers of ten.
///
/// # Errors
/// The file cannot be written.
pub fn logarithmic(file: &Path, labels: Labels<'_>, lines: &[Line]) -> Result<(), String> {
    let min = 10_f64.powf(smallest(lines).log10().floor());
    let max = 10_f64.powf(largest(lines, |point| point.1).log10().ceil()).max(min * 10.0);
    let y = (min..max).log_scale();
    theme::write(
        file,
        &draw(labels, lines, y, SeriesLabelPosition::UpperLeft).map_err(|why| why.to_string())?,
    )
}

/// A chart with both axes from 0.
///
/// # Errors
/// The file cannot be written.
pub fn linear(file: &Path, labels: Labels<'_>, lines: &[Line]) -> Result<(), String> {
    let y = 0.0..largest(lines, |point| point.1) * 1.15;
    theme::write(
        file,
        &draw(labels, lines, y, SeriesLabelPosition::LowerRight).map_err(|why| why.to_string())?,
    )
}

fn draw<Y>(
    labels: Labels<'_>,
    lines: &[Line],
    y: Y,
    legend: SeriesLabelPosition,
) -> Result<String, DrawingAreaErrorKind<std::io::Error>>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&PAPER)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(labels.title, ("sans-serif", 20).into_font().color(&INK))
            .margin(14)
            .x_label_area_size(48)
            .y_label_area_size(78)
            .build_cartesian_2d(0.0..largest(lines, |point| point.0) * 1.03, y)?;
        chart
            .configure_mesh()
            .x_desc(labels.x)
            .y_desc(labels.y)
            .label_style(("sans-serif", 15, &INK))
            .axis_desc_style(("sans-serif", 16, &INK))
            .bold_line_style(GRID)
            .light_line_style(PAPER)
            .x_label_formatter(&|x| tick_label(*x))
            .y_label_formatter(&|y| tick_label(*y))
            .draw()?;
        for (line, colour) in lines.iter().zip(SERIES.into_iter().cycle()) {
            let style = colour.stroke_width(2);
            let series = chart.draw_series(LineSeries::new(line.points.clone(), style))?;
            series.label(&line.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style));
            chart.draw_series(line.points.iter().map(|&point| Circle::new(point, 3, colour.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(legend)
            .label_font(("sans-serif", 15, &INK))
            .background_style(PAPER.filled())
            .border_style(GRID)
            .draw()?;
        root.present()?;
    }
    Ok(svg)
}

fn largest(lines: &[Line], of: fn(&(f64, f64)) -> f64) -> f64 {
    lines.iter().flat_map(|line| &line.points).map(of).fold(1e-3, f64::max)
}

fn smallest(lines: &[Line]) -> f64 {
    let least = lines.iter().flat_map(|line| &line.points).map(|point| point.1).fold(f64::INFINITY, f64::min);
    if least.is_finite() { least.max(1e-3) } else { 1e-3 }
}

/// `12,000`.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `0.1`, `10`.
fn tick_label(number: f64) -> String {
    if number > 0.0 && number < 1.0 {
        format!("{number:.3}").trim_end_matches('0').to_owned()
    } else {
        thousands(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_formatted_for_readability() {
        assert_eq!([0.0, 999.0, 1_000.0, 1_234_567.0].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.1, 0.01, 1_000.0].map(tick_label), ["0", "0.1", "0.01", "1,000"]);
    }

    #[test]
    fn a_chart_has_its_labels_and_every_line_in_the_legend() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("one.svg");
        let line =
            |name: &str, y| Line { name: name.to_owned(), points: vec![(1_000.0, y), (2_000.0, 3.0 * y)] };
        let labels = Labels { title: "Latency", x: "requests per second", y: "milliseconds" };
        logarithmic(&file, labels, &[line("p50", 0.4), line("p99", 9.0)]).unwrap();
        let svg = std::fs::read_to_string(&file).unwrap();
        for text in ["Latency", "requests per second", "milliseconds", "p50", "p99", "10", "100"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
    }
}
