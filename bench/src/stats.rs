//! Median and range over several rounds.

use serde::Serialize;

/// Median and range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The median; 0 without values.
    pub median: f64,
    /// The minimum.
    pub least: f64,
    /// The maximum.
    pub most: f64,
}

impl Spread {
    /// The spread of these figures.
    pub fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let median = match (figures.get(figures.len() / 2), figures.len() % 2) {
            (None, _) => 0.0,
            (Some(&upper), 1) => upper,
            (Some(&upper), _) => f64::midpoint(figures[figures.len() / 2 - 1], upper),
        };
        let least = figures.first().copied().unwrap_or(0.0);
        Self { median, least, most: figures.last().copied().unwrap_or(0.0) }
    }

    /// `5 (4..6)`.
    pub fn text(&self) -> String {
        format!("{:.0} ({:.0}..{:.0})", self.median, self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_does_not_depend_on_the_order() {
        assert_eq!(Spread::of([3.0, 1.0, 8.0].into_iter()), Spread { median: 3.0, least: 1.0, most: 8.0 });
        assert_eq!(Spread::of([4.0, 1.0].into_iter()).text(), "2 (1..4)");
        assert_eq!(Spread::of(std::iter::empty()).text(), "0 (0..0)");
    }
}
