//! Colours of the charts, for light and for dark pages.

use std::path::Path;

use plotters::style::RGBColor;

/// Background.
pub(super) const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Text.
pub(super) const INK: RGBColor = RGBColor(40, 40, 40);
/// Lines behind the data.
pub(super) const GRID: RGBColor = RGBColor(215, 215, 215);
/// Data series. Different in lightness too, for colour-blind readers.
pub(super) const SERIES: [RGBColor; 4] =
    [RGBColor(0, 90, 181), RGBColor(230, 120, 0), RGBColor(170, 20, 60), RGBColor(90, 90, 90)];

/// Each colour with its counterpart on a dark page.
const DARK: [(RGBColor, RGBColor); 7] = [
    (PAPER, RGBColor(24, 27, 34)),
    (INK, RGBColor(222, 224, 228)),
    (GRID, RGBColor(66, 71, 82)),
    (SERIES[0], RGBColor(104, 176, 255)),
    (SERIES[1], RGBColor(255, 168, 76)),
    (SERIES[2], RGBColor(255, 128, 150)),
    (SERIES[3], RGBColor(170, 174, 182)),
];

/// Writes a chart that follows the reader's colour scheme.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write(file: &Path, svg: &str) -> Result<(), String> {
    std::fs::write(file, following_the_scheme(svg)).map_err(|why| why.to_string())
}

/// An SVG with a style sheet that replaces the colours on a dark page. An image has no access to the classes of the page that
/// shows it, but browsers resolve `prefers-color-scheme` by the `color-scheme` of the place where it stands. A viewer without
/// style sheets shows the light colours of the attributes, and the background is always drawn, so ink and paper never mix.
pub(super) fn following_the_scheme(svg: &str) -> String {
    match svg.split_once('\n') {
        Some((opening, rest)) => [opening, "\n", &style_sheet(), rest].concat(),
        None => svg.to_owned(),
    }
}

fn style_sheet() -> String {
    let mut rules = String::new();
    for (light, dark) in DARK {
        for property in ["fill", "stroke"] {
            rules += &format!("[{property}=\"{}\"] {{ {property}: {} }}\n", hex(light), hex(dark));
        }
    }
    format!("<style>\n@media (prefers-color-scheme: dark) {{\n{rules}}}\n</style>\n")
}

/// `#RRGGBB`, as in the attributes that plotters writes.
fn hex(colour: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_colour_of_a_chart_has_a_counterpart_on_a_dark_page() {
        let svg = "<svg viewBox=\"0 0 1 1\">\n<rect fill=\"#FFFFFF\" stroke=\"#005AB5\"/>\n</svg>\n";
        let chart = following_the_scheme(svg);
        assert!(
            chart.starts_with("<svg viewBox=\"0 0 1 1\">\n<style>\n@media (prefers-color-scheme: dark) {"),
            "{chart}"
        );
        assert!(
            chart.ends_with("</style>\n<rect fill=\"#FFFFFF\" stroke=\"#005AB5\"/>\n</svg>\n"),
            "{chart}"
        );
        for rule in ["[fill=\"#FFFFFF\"] { fill: #181B22 }", "[stroke=\"#005AB5\"] { stroke: #68B0FF }"] {
            assert!(chart.contains(rule), "{rule} is not in {chart}");
        }
        let known = DARK.map(|(light, _)| hex(light));
        for colour in [PAPER, INK, GRID].into_iter().chain(SERIES).map(hex) {
            assert!(known.contains(&colour), "{colour} has no counterpart");
        }
    }

    #[test]
    fn the_charts_of_the_book_have_the_current_style_sheet() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks");
        let charts: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(charts.len() >= 4, "{charts:?}");
        for chart in charts {
            let svg = std::fs::read_to_string(&chart).unwrap();
            assert!(
                svg.contains(&style_sheet()),
                "{} does not follow dark pages; draw it again",
                chart.display()
            );
        }
    }
}
