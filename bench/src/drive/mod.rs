//! Load drivers: closed loop (fixed concurrency) and open loop (fixed rate), with counting of outcomes.

mod board;
pub mod closed;
pub mod open;

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;

pub use self::board::Board;
use crate::client::CallFailure;

/// A workload, executed step by step.
pub trait Work: Send + Sync + 'static {
    /// The client, used for one step at a time.
    type Client: Send + 'static;

    /// Number of kinds of step, which are counted separately.
    fn classes(&self) -> usize;

    /// Executes one step: a request, or a few dependent ones.
    fn step(&self, client: &mut Self::Client, random: &mut SmallRng) -> impl Future<Output = Sample> + Send;
}

/// The outcome of one step.
#[derive(Debug)]
pub struct Sample {
    /// The kind of step.
    pub class: usize,
    /// Its outcome.
    pub outcome: Result<Done, CallFailure>,
}

/// Success of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Answered, after this time.
    After(Duration),
    /// Answered, after this time, with a conflict: a concurrent write came first.
    LostRace(Duration),
}

impl Done {
    /// Its duration.
    pub fn took(self) -> Duration {
        let (Self::After(took) | Self::LostRace(took)) = self;
        took
    }
}

/// The measured time window.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Start; warm-up before.
    pub from: Instant,
    /// End; no step starts later.
    pub until: Instant,
}

impl Window {
    /// A window of `length` after `warm_up`.
    pub fn after(warm_up: Duration, length: Duration) -> Self {
        let from = Instant::now() + warm_up;
        Self { from, until: from + length }
    }

    /// Whether it contains a moment.
    pub fn contains(&self, moment: Instant) -> bool {
        moment >= self.from && moment < self.until
    }

    /// Its length.
    pub fn length(&self) -> Duration {
        self.until - self.from
    }
}
