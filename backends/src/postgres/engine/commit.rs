//! The interface between an abstraction and the writers.

use prism_contract::{Swept, Timestamp};

use super::session::Session;
use super::writer::Sessions;
use crate::engine::Group;

/// The writes of an abstraction and their statements.
pub(in crate::postgres) trait Commit: Send + Sync + 'static {
    /// Writes that are committed together.
    type Group: Group;
    /// The outcome of each write of a group: an answer, or it must be committed alone.
    type Outcomes: Send;

    /// Commits a group. `alone`: a single write that may take long.
    fn commit(
        &self,
        sessions: &Sessions,
        group: &Self::Group,
        alone: bool,
    ) -> impl Future<Output = Self::Outcomes> + Send;

    /// The outcomes of a group that no caller waits for any more.
    fn cancelled(group: &Self::Group) -> Self::Outcomes;

    /// Answers each write that has an answer; returns the others, each to be committed alone.
    fn answer(group: Self::Group, outcomes: Self::Outcomes) -> Vec<Self::Group>;

    /// Removes from `later`, and returns, the writes that must wait for one of `running` to the same data: any of them if
    /// `alone`, otherwise those whose callers have stopped waiting.
    fn hold_back(
        running: &Self::Group,
        alone: bool,
        later: &mut Self::Group,
    ) -> Vec<<Self::Group as Group>::Entry>;

    /// Removes a bounded number of rows that are dead at `now`, and no live item.
    fn sweep(
        &self,
        session: &mut Session,
        now: Timestamp,
    ) -> impl Future<Output = Result<Swept, sqlx::Error>> + Send;
}
