//! Lines in a picture: SVG, to be read in a README.

use std::path::Path;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

/// A line through the points of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Its points, in the order of x.
    pub points: Vec<(f64, f64)>,
}

/// A picture's words.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// Above it.
    pub title: &'a str,
    /// Below it, with its unit.
    pub x: &'a str,
    /// Beside it, with its unit.
    pub y: &'a str,
}

const SIZE: (u32, u32) = (860, 480);
/// They differ in lightness too, for whoever cannot tell the hues.
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 90, 181), RGBColor(230, 120, 0), RGBColor(170, 20, 60), RGBColor(90, 90, 90)];
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(215, 215, 215);

/// With a logarithmic y, whose labels are powers of ten.
///
/// # Errors
/// The file cannot be written.
pub fn logarithmic(file: &Path, words: Words<'_>, lines: &[Line]) -> Result<(), String> {
    let least = 10_f64.powf(smallest(lines).log10().floor());
    let most = 10_f64.powf(largest(lines, |point| point.1).log10().ceil()).max(least * 10.0);
    let y = (least..most).log_scale();
    drawn(file, words, lines, y, SeriesLabelPosition::UpperLeft).map_err(|why| why.to_string())
}

/// With both axes from 0.
///
/// # Errors
/// The file cannot be written.
pub fn linear(file: &Path, words: Words<'_>, lines: &[Line]) -> Result<(), String> {
    let y = 0.0..largest(lines, |point| point.1) * 1.15;
    drawn(file, words, lines, y, SeriesLabelPosition::LowerRight).map_err(|why| why.to_string())
}

fn drawn<Y>(
    file: &Path,
    words: Words<'_>,
    lines: &[Line],
    y: Y,
    legend: SeriesLabelPosition,
) -> Result<(), DrawingAreaErrorKind<std::io::Error>>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(words.title, ("sans-serif", 20).into_font().color(&INK))
        .margin(14)
        .x_label_area_size(48)
        .y_label_area_size(78)
        .build_cartesian_2d(0.0..largest(lines, |point| point.0) * 1.03, y)?;
    chart
        .configure_mesh()
        .x_desc(words.x)
        .y_desc(words.y)
        .label_style(("sans-serif", 15, &INK))
        .axis_desc_style(("sans-serif", 16, &INK))
        .bold_line_style(GRID)
        .light_line_style(WHITE)
        .x_label_formatter(&|x| plain(*x))
        .y_label_formatter(&|y| plain(*y))
        .draw()?;
    for (line, colour) in lines.iter().zip(COLOURS.into_iter().cycle()) {
        let style = colour.stroke_width(2);
        let series = chart.draw_series(LineSeries::new(line.points.clone(), style))?;
        series.label(&line.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style));
        chart.draw_series(line.points.iter().map(|&point| Circle::new(point, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(legend)
        .label_font(("sans-serif", 15, &INK))
        .background_style(WHITE.filled())
        .border_style(GRID)
        .draw()?;
    root.present()
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
fn plain(number: f64) -> String {
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
    fn numbers_are_written_as_people_read_them() {
        assert_eq!([0.0, 999.0, 1_000.0, 1_234_567.0].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.1, 0.01, 1_000.0].map(plain), ["0", "0.1", "0.01", "1,000"]);
    }

    #[test]
    fn a_picture_has_its_words_and_every_line_in_its_legend() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("one.svg");
        let line =
            |name: &str, y| Line { name: name.to_owned(), points: vec![(1_000.0, y), (2_000.0, 3.0 * y)] };
        let words = Words { title: "Latency", x: "requests per second", y: "milliseconds" };
        logarithmic(&file, words, &[line("p50", 0.4), line("p99", 9.0)]).unwrap();
        let svg = std::fs::read_to_string(&file).unwrap();
        for text in ["Latency", "requests per second", "milliseconds", "p50", "p99", "10", "100"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
    }
}
