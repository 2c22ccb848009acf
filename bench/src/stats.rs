//! The middle of several rounds, and how far they lie apart.

use serde::Serialize;

/// Of several rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle; 0 of nothing.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Of these.
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
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert_eq!(Spread::of([3.0, 1.0, 8.0].into_iter()), Spread { median: 3.0, least: 1.0, most: 8.0 });
        assert_eq!(Spread::of([4.0, 1.0].into_iter()).text(), "2 (1..4)");
        assert_eq!(Spread::of(std::iter::empty()).text(), "0 (0..0)");
    }
}
