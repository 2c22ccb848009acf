//! Where all that work at the same time write down what they count.

use std::sync::{Mutex, OnceLock, PoisonError};

use crate::client::CallFailure;
use crate::failure::Failure;
use crate::tally::Tally;

/// Few enough to be small, many enough that threads seldom meet.
const SHARDS: usize = 16;

/// Tallies of each class of step.
#[derive(Debug)]
pub struct Board {
    shards: Vec<Mutex<Vec<Tally>>>,
    wrong: OnceLock<String>,
}

impl Board {
    /// For so many classes.
    pub fn new(classes: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(vec![Tally::default(); classes])).collect();
        Self { shards, wrong: OnceLock::new() }
    }

    /// Counts a step of this class. `who` are those that seldom count at the same time.
    pub fn count(&self, who: usize, class: usize, count: impl FnOnce(&mut Tally)) {
        let mut tallies = self.shards[who % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tally) = tallies.get_mut(class) {
            count(tally);
        }
    }

    /// A wrong answer is remembered whenever it came, and ends the measurement.
    pub fn judge<T>(&self, outcome: &Result<T, CallFailure>) {
        if let Err(CallFailure::Wrong(why)) = outcome {
            let _ = self.wrong.set(why.clone());
        }
    }

    /// Whether an answer was wrong.
    pub fn is_wrong(&self) -> bool {
        self.wrong.get().is_some()
    }

    /// What was counted so far, for each class.
    ///
    /// # Errors
    /// An answer was wrong.
    pub fn sum(&self) -> Result<Vec<Tally>, Failure> {
        if let Some(why) = self.wrong.get() {
            return Err(Failure::Failed(format!("a wrong answer: {why}")));
        }
        let mut sums: Vec<Tally> = Vec::new();
        for shard in &self.shards {
            let tallies = shard.lock().unwrap_or_else(PoisonError::into_inner);
            sums.resize(tallies.len(), Tally::default());
            for (sum, tally) in sums.iter_mut().zip(&*tallies) {
                sum.add(tally);
            }
        }
        Ok(sums)
    }
}
