//! Which records are asked for: all alike, a few far more than the rest, or the newest.

use rand::RngExt as _;
use rand::rngs::SmallRng;
use rand_distr::{Distribution as _, Zipf};
use serde::Serialize;

use crate::value::mixed;

/// How records are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// Each as often as any other.
    Uniform,
    /// A few far more often than the rest, spread over all: Zipf's law with YCSB's exponent, 0.99.
    Zipf,
    /// By the same law, the newest most often.
    Latest,
}

/// Chooses records.
#[derive(Debug, Clone)]
pub struct Keys {
    choice: Choice,
    law: Zipf<f64>,
}

impl Keys {
    /// Of a number of records that begins with `records`.
    ///
    /// # Errors
    /// There are no records.
    pub fn new(choice: Choice, records: u64) -> Result<Self, String> {
        #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 records")]
        let law = Zipf::new(records as f64, 0.99).map_err(|why| why.to_string())?;
        Ok(Self { choice, law })
    }

    /// One of `0..count`.
    pub fn choose(&self, random: &mut SmallRng, count: u64) -> u64 {
        match self.choice {
            Choice::Uniform => random.random_range(0..count),
            Choice::Zipf => mixed(self.rank(random)) % count,
            Choice::Latest => count - 1 - self.rank(random).min(count - 1),
        }
    }

    /// 0 most often.
    fn rank(&self, random: &mut SmallRng) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a whole number from 1"
        )]
        let rank = self.law.sample(random) as u64;
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
    fn zipf_prefers_one_record_as_the_law_says() {
        // 1 / (sum of 1 / n^0.99 for n to 1000) = 0.1293; ranks that meet in one record only add to it.
        let most = *counts(Choice::Zipf, 1_000, 1_000).iter().max().unwrap();
        assert!((12_500..18_000).contains(&most), "{most}");
    }

    #[test]
    fn the_newest_is_read_most_often_and_a_record_inserted_since_counts() {
        let counts = counts(Choice::Latest, 100, 120);
        assert_eq!(counts.iter().max(), counts.last());
        assert_eq!(counts[..20].iter().sum::<u64>(), 0, "the law has a hundred ranks");
    }

    #[test]
    fn uniform_prefers_none() {
        assert!(counts(Choice::Uniform, 10, 10).iter().all(|count| (9_000..11_000).contains(count)));
    }
}
