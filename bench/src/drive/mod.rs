//! Drives work: so many at a time, or so many per second; and counts what comes of it.

mod board;
pub mod closed;
pub mod open;

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;

pub use self::board::Board;
use crate::client::CallFailure;

/// What there is to do, again and again.
pub trait Work: Send + Sync + 'static {
    /// What it is done with, one step at a time.
    type Client: Send + 'static;

    /// How many kinds of step there are, which are counted apart.
    fn classes(&self) -> usize;

    /// One step: a request, or a few that belong together.
    fn step(&self, client: &mut Self::Client, random: &mut SmallRng) -> impl Future<Output = Sample> + Send;
}

/// What came of one step.
#[derive(Debug)]
pub struct Sample {
    /// Which kind of step it was.
    pub class: usize,
    /// How it ended.
    pub outcome: Result<Done, CallFailure>,
}

/// How a step ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was answered, after this time.
    After(Duration),
    /// The same, and somebody else had been faster: what it wanted to change had changed.
    LostRace(Duration),
}

impl Done {
    /// How long it took.
    pub fn took(self) -> Duration {
        let (Self::After(took) | Self::LostRace(took)) = self;
        took
    }
}

/// When to count.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// What is before is warm-up.
    pub from: Instant,
    /// Nothing begins after this.
    pub until: Instant,
}

impl Window {
    /// It begins after `warm_up` and is as long as `length`.
    pub fn after(warm_up: Duration, length: Duration) -> Self {
        let from = Instant::now() + warm_up;
        Self { from, until: from + length }
    }

    /// Whether it holds this moment.
    pub fn holds(&self, moment: Instant) -> bool {
        moment >= self.from && moment < self.until
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        self.until - self.from
    }
}
