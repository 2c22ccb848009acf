//! What an abstraction brings to the writers.

use prism_contract::{Swept, Timestamp};

use super::session::Session;
use super::writer::Sessions;
use crate::engine::Group;

/// The writes of an abstraction and their statements.
pub(in crate::postgres) trait Commit: Send + Sync + 'static {
    /// Writes that are committed together.
    type Group: Group;
    /// What becomes of each write of a group: an answer, or it goes alone.
    type Outcomes: Send;

    /// Commits a group. `alone`: it is a single write that may take long.
    fn commit(
        &self,
        sessions: &Sessions,
        group: &Self::Group,
        alone: bool,
    ) -> impl Future<Output = Self::Outcomes> + Send;

    /// What becomes of a group that no caller waits for any more.
    fn given_up(group: &Self::Group) -> Self::Outcomes;

    /// Answers each write of a group that has an answer; what comes back goes alone, each by itself.
    fn answer(group: Self::Group, outcomes: Self::Outcomes) -> Vec<Self::Group>;

    /// Takes out of `later` what must wait for `running`, which writes the same: where `alone`, any write of that, otherwise one
    /// whose caller has stopped waiting.
    fn hold_back(
        running: &Self::Group,
        alone: bool,
        later: &mut Self::Group,
    ) -> Vec<<Self::Group as Group>::Entry>;

    /// Drops a bounded amount of what is dead at `now`, and nothing that is live.
    fn sweep(
        &self,
        session: &mut Session,
        now: Timestamp,
    ) -> impl Future<Output = Result<Swept, sqlx::Error>> + Send;
}
