//! Key distributions: uniform, Zipf, or latest.

use rand::RngExt as _;
use rand::rngs::SmallRng;
use rand_distr::{Distribution as _, Zipf};
use serde::Serialize;

use crate::value::splitmix64;

/// Key distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// All records equally often.
    Uniform,
    /// A few hot records, spread over the key space: Zipf with YCSB's exponent, 0.99.
    Zipf,
    /// Zipf by age, the newest most often.
    Latest,
}

/// Chooses records.
#[derive(Debug, Clone)]
pub struct Keys {
    choice: Choice,
    distribution: Zipf<f64>,
}

impl Keys {
    /// For an initial number of `records`.
    ///
    /// # Errors
    /// There are no records.
    pub fn new(choice: Choice, records: u64) -> Result<Self, String> {
        #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 records")]
        let distribution = Zipf::new(records as f64, 0.99).map_err(|why| why.to_string())?;
        Ok(Self { choice, distribution })
    }

    /// A record from `0..count`.
    pub fn choose(&self, random: &mut SmallRng, count: u64) -> u64 {
        match self.choice {
            Choice::Uniform => random.random_range(0..count),
            Choice::Zipf => splitmix64(self.rank(random)) % count,
            Choice::Latest => count - 1 - self.rank(random).min(count - 1),
        }
    }

    /// A Zipf rank; 0 is the most frequent.
    fn rank(&self, random: &mut SmallRng) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a whole number from 1"
        )]
        let rank = self.distribution.sample(random) as u64;
        rank.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    fn counts(choice: Choice, records: u64, count: u64) -> Vec<u64> {
        let keys = Keys::new(choice, records).unwrap();
        let mut random = SmallRng::seed_from_u64(7);
        let mut counts = vec![0; usize::try_from(count).unwrap()];
        for _ in 0..100_000 {
            // Out of bounds would panic.
            counts[usize::try_from(keys.choose(&mut random, count)).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn every_choice_stays_within_the_records_however_few() {
        for choice in [Choice::Uniform, Choice::Zipf, Choice::Latest] {
            for (records, count) in [(1, 1), (2, 2), (100, 100), (100, 150), (100, 3)] {
                assert_eq!(counts(choice, records, count).iter().sum::<u64>(), 100_000);
            }
        }
    }

    #[test]
    fn the_hottest_record_has_its_zipf_share() {
        // 1 / (sum of 1 / n^0.99 for n to 1000) = 0.1293; ranks hashed to the same record only add to it.
        let max = *counts(Choice::Zipf, 1_000, 1_000).iter().max().unwrap();
        assert!((12_500..18_000).contains(&max), "{max}");
    }

    #[test]
    fn latest_prefers_the_newest_record_including_inserted_ones() {
        let counts = counts(Choice::Latest, 100, 120);
        assert_eq!(counts.iter().max(), counts.last());
        assert_eq!(counts[..20].iter().sum::<u64>(), 0, "the distribution has 100 ranks");
    }

    #[test]
    fn uniform_has_no_hot_records() {
        assert!(counts(Choice::Uniform, 10, 10).iter().all(|count| (9_000..11_000).contains(count)));
    }
}
