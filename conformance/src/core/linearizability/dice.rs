//! A seeded random number generator (splitmix64), so that the clients' operations are reproducible.

/// A source of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// A generator from a seed and a salt.
    pub(crate) const fn new(seed: u64, salt: u64) -> Self {
        Self(seed ^ salt.wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is above 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }

    /// True with a probability of `percent`.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A random non-empty subset of `all`, in order.
    pub(crate) fn some<T: Copy>(&mut self, all: &[T]) -> Vec<T> {
        let mut chosen: Vec<T> = all.iter().copied().filter(|_| self.chance(50)).collect();
        if chosen.is_empty() {
            chosen.push(all[self.below(all.len())]);
        }
        chosen
    }
}
