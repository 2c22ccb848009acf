//! The search for a counterexample: random values until the store diverges, then shrinking. Drives proptest's value trees
//! from async code.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::Tally;
use crate::core::{Abstraction, Ctx, Divergence, Stop, Transcript};

/// Limits of shrinking: attempts and time.
const MAX_ATTEMPTS: usize = 600;
const MAX_TIME: Duration = Duration::from_secs(6);

/// Tries one value on fresh namespaces.
pub(crate) type Attempt<A, E, T> = for<'a> fn(&'a Ctx<A>, &'a T) -> BoxFuture<'a, Result<Tally<E>, Stop>>;

/// A counterexample: a value that makes the store diverge.
pub(crate) struct Found<A: Abstraction, T> {
    pub(crate) value: T,
    pub(crate) divergence: Divergence,
    pub(crate) transcript: Transcript<A>,
}

/// The remaining limits of shrinking one value.
pub(super) struct Shrinking {
    left: usize,
    until: Instant,
}

impl Shrinking {
    pub(super) fn new() -> Self {
        Self { left: MAX_ATTEMPTS, until: Instant::now() + MAX_TIME }
    }

    /// The divergence of another value, if there is one and the limits allow the attempt.
    pub(super) async fn fails<A: Abstraction, E, T: Sync>(
        &mut self,
        ctx: &Ctx<A>,
        value: &T,
        attempt: Attempt<A, E, T>,
    ) -> Option<(Divergence, Transcript<A>)> {
        if self.is_over() {
            return None;
        }
        self.left -= 1;
        ctx.fresh();
        match attempt(ctx, value).await {
            Err(Stop::Diverged(divergence)) => Some((divergence, ctx.take_transcript())),
            Ok(_) | Err(Stop::Inconclusive(_) | Stop::Broken(_)) => None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.left == 0 || Instant::now() > self.until
    }
}

/// The result of a search.
pub(crate) enum Hunt<A: Abstraction, E, T> {
    /// No value made the store diverge.
    Nothing(Tally<E>),
    /// The shrunk counterexample.
    Found(Box<Found<A, T>>),
}

/// Generates `count` values and tries each.
pub(crate) async fn hunt<A, E, S>(
    ctx: &Ctx<A>,
    random: &mut TestRunner,
    strategy: &S,
    count: u32,
    attempt: Attempt<A, E, S::Value>,
) -> Result<Hunt<A, E, S::Value>, Stop>
where
    A: Abstraction,
    E: Copy + Ord + Send,
    S: Strategy<Tree: Send, Value: Send + Sync> + Sync,
{
    let mut tally = Tally::default();
    for _ in 0..count {
        let tree = strategy.new_tree(random).map_err(|why| Stop::Broken(why.to_string()))?;
        let value = tree.current();
        ctx.fresh();
        match attempt(ctx, &value).await {
            Ok(happened) => tally.merge(&happened),
            Err(Stop::Diverged(divergence)) => {
                let found = Found { value, divergence, transcript: ctx.take_transcript() };
                return Ok(Hunt::Found(Box::new(shrink(ctx, tree, found, attempt).await)));
            }
            Err(other) => return Err(other),
        }
    }
    Ok(Hunt::Nothing(tally))
}

/// Simplifies while the store still diverges, as proptest does: a step without a divergence is undone.
async fn shrink<A, E, T>(
    ctx: &Ctx<A>,
    mut tree: impl ValueTree<Value = T> + Send,
    mut found: Found<A, T>,
    attempt: Attempt<A, E, T>,
) -> Found<A, T>
where
    A: Abstraction,
    T: Send + Sync,
{
    let mut shrinking = Shrinking::new();
    let mut moved = tree.simplify();
    while moved && !shrinking.is_over() {
        let value = tree.current();
        moved = match shrinking.fails(ctx, &value, attempt).await {
            Some((divergence, transcript)) => {
                found = Found { value, divergence, transcript };
                tree.simplify()
            }
            None => tree.complicate(),
        };
    }
    found
}
