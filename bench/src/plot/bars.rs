//! Horizontal bars in groups, with their spread.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{theme, thousands};

/// A bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Its name, on its left.
    pub name: String,
    /// Its length, with the least and the most that was measured.
    pub value: crate::stats::Spread,
    /// Whether it is drawn in the first colour, as the subject of the chart.
    pub subject: bool,
}

/// Bars under a heading.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The heading.
    pub name: String,
    /// The bars, from above.
    pub bars: Vec<Bar>,
}

const WIDTH: u32 = 720;
/// Pixels of a bar with its distance to the next, and of the bar alone.
const ROW: i32 = 30;
const BAR: i32 = 18;
/// Pixels on the left for names, and on the right for figures.
const NAMES: i32 = 132;
const FIGURES: i32 = 78;
const TITLE: i32 = 44;

/// Draws the groups below each other, with one scale for all bars.
///
/// # Errors
/// The file cannot be written.
pub fn bars(file: &Path, title: &str, groups: &[Group]) -> Result<(), String> {
    theme::write(file, &draw(title, groups).map_err(|why| why.to_string())?)
}

fn draw(title: &str, groups: &[Group]) -> Result<String, DrawingAreaErrorKind<std::io::Error>> {
    let rows: usize = groups.iter().map(|group| group.bars.len() + 1).sum();
    let height = TITLE + ROW * i32::try_from(rows).unwrap_or(i32::MAX / ROW - TITLE) + ROW / 2;
    let most = groups.iter().flat_map(|group| &group.bars).map(|bar| bar.value.most).fold(1e-3, f64::max);
    let scale = f64::from(WIDTH.cast_signed() - NAMES - FIGURES) / most;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height.unsigned_abs())).into_drawing_area();
        root.fill(&theme::PAPER)?;
        let middle = i32::try_from(WIDTH / 2).unwrap_or_default();
        root.draw(&Text::new(title, (middle, TITLE / 2), font(18, HPos::Center)))?;
        let mut y = TITLE + ROW / 2;
        for group in groups {
            root.draw(&Text::new(group.name.clone(), (NAMES - 10, y), font(17, HPos::Right)))?;
            y += ROW;
            for bar in &group.bars {
                draw_bar(&root, bar, y, scale)?;
                y += ROW;
            }
        }
        root.present()?;
    }
    Ok(svg)
}

fn draw_bar<B: DrawingBackend>(
    root: &DrawingArea<B, plotters::coord::Shift>,
    bar: &Bar,
    y: i32,
    scale: f64,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let x = |value: f64| NAMES + pixels(value * scale);
    let colour = if bar.subject { theme::SERIES[0] } else { theme::SERIES[3] };
    let area = [(NAMES, y - BAR / 2), (x(bar.value.median), y + BAR / 2)];
    root.draw(&Rectangle::new(area, colour.filled()))?;
    let spread = [(x(bar.value.least), y), (x(bar.value.most), y)];
    root.draw(&PathElement::new(spread, theme::SERIES[1].stroke_width(2)))?;
    root.draw(&Text::new(bar.name.clone(), (NAMES - 10, y), font(15, HPos::Right)))?;
    let figure = (x(bar.value.most.max(bar.value.median)) + 8, y);
    root.draw(&Text::new(thousands(bar.value.median), figure, font(15, HPos::Left)))
}

fn font(size: i32, horizontal: HPos) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&theme::INK).pos(Pos::new(horizontal, VPos::Center))
}

#[expect(clippy::cast_possible_truncation, reason = "a value within the chart is at most its width")]
fn pixels(length: f64) -> i32 {
    length.round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Spread;

    #[test]
    fn bars_are_as_long_as_their_values_relative_to_the_longest() {
        let bar = |name: &str, median: f64| Bar {
            name: name.to_owned(),
            value: Spread { median, least: median, most: median },
            subject: name == "ours",
        };
        let group =
            Group { name: "put".to_owned(), bars: vec![bar("ours", 25_000.0), bar("theirs", 100_000.0)] };
        let svg = draw("Requests", &[group]).unwrap();
        for text in ["Requests", "put", "ours", "theirs", "25,000", "100,000"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        let width = |colour: &str| {
            let line = svg.lines().find(|line| line.starts_with("<rect") && line.contains(colour)).unwrap();
            let (_, rest) = line.split_once("width=\"").unwrap();
            rest.split_once('"').unwrap().0.parse::<f64>().unwrap()
        };
        let ratio = width("#5A5A5A") / width("#005AB5");
        assert!((ratio - 4.0).abs() < 0.05, "a value four times as high is {ratio} times as long");
    }
}
