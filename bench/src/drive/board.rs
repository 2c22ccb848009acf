//! Shared counters of concurrent workers, sharded to avoid contention.

use std::sync::{Mutex, OnceLock, PoisonError};

use crate::client::CallFailure;
use crate::failure::Failure;
use crate::tally::Tally;

/// Number of shards: small in memory, large enough that threads rarely contend.
const SHARDS: usize = 16;

/// Tallies per class of step, and the first wrong answer.
#[derive(Debug)]
pub struct Board {
    shards: Vec<Mutex<Vec<Tally>>>,
    wrong: OnceLock<String>,
}

impl Board {
    /// A board for `classes` classes.
    pub fn new(classes: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(vec![Tally::default(); classes])).collect();
        Self { shards, wrong: OnceLock::new() }
    }

    /// Counts a step of a class. `worker` selects the shard.
    pub fn count(&self, worker: usize, class: usize, count: impl FnOnce(&mut Tally)) {
        let mut tallies = self.shards[worker % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tally) = tallies.get_mut(class) {
            count(tally);
        }
    }

    /// Remembers a wrong answer, also outside the window; it ends the measurement.
    pub fn check<T>(&self, outcome: &Result<T, CallFailure>) {
        if let Err(CallFailure::Wrong(why)) = outcome {
            let _ = self.wrong.set(why.clone());
        }
    }

    /// Whether any answer was wrong.
    pub fn is_wrong(&self) -> bool {
        self.wrong.get().is_some()
    }

    /// The current tallies per class.
    ///
    /// # Errors
    /// An answer was wrong.
    pub fn sum(&self) -> Result<Vec<Tally>, Failure> {
        if let Some(why) = self.wrong.get() {
            return Err(Failure::Failed(format!("wrong answer: {why}")));
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
