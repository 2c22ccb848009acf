//! The interface between an abstraction and the writer.

use std::pin::Pin;
use std::time::Duration;

use prism_contract::{Namespace, Swept, Timestamp};
use sqlx::SqliteConnection;

use super::limit::Limit;
use super::transaction::Transaction;
use crate::engine::Group;

/// The amount written by a group, for the checkpoints.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::sqlite) struct Written {
    pub(in crate::sqlite) rows: usize,
    pub(in crate::sqlite) bytes: usize,
}

/// A group's requests, and a future that completes when the caller of its only write stops waiting.
pub(in crate::sqlite) type Watched<'a, R> = (R, Pin<Box<dyn Future<Output = ()> + Send + 'a>>);

/// The writes of an abstraction: its statements, and its state between transactions.
pub(in crate::sqlite) trait Commit: Sized + Send + 'static {
    /// Writes that are committed together.
    type Group: Group;
    /// Their requests.
    type Requests<'a>: Send + Sync;
    /// The answers to them.
    type Answers: Send;

    /// The requests of a group.
    fn requests(group: &Self::Group) -> Self::Requests<'_>;

    /// The same for a group of one write, and a future that completes when its caller stops waiting.
    fn watched(group: &mut Self::Group) -> Watched<'_, Self::Requests<'_>>;

    /// Commits requests by statements that include their transaction. `None`: not possible for these requests, and nothing
    /// was done. After an error the transaction may still be open.
    fn commit_at_once(
        &mut self,
        requests: &Self::Requests<'_>,
        connection: &mut SqliteConnection,
    ) -> impl Future<Output = Option<Result<Self::Answers, sqlx::Error>>> + Send;

    /// Executes requests in a transaction; an error is for all of them. From the first unbounded request on, the statements
    /// may run for the given time in total; the caller disarms the limit afterwards.
    fn apply(
        &mut self,
        requests: &Self::Requests<'_>,
        transaction: &mut Transaction,
        limit: (&Limit, Duration),
    ) -> impl Future<Output = Result<Self::Answers, sqlx::Error>> + Send;

    /// The transaction of the last [`Commit::apply`] was committed.
    fn committed(&mut self);

    /// Answers each write of a group that was committed.
    fn answer(group: Self::Group, answers: Self::Answers) -> Written;

    /// Splits a group into groups of one write.
    fn split(group: Self::Group) -> Vec<Self::Group>;

    /// Removes from a group the unbounded write with this index, and its namespace's other unbounded writes, each as a
    /// group of one. The rest is retried.
    fn take_large(group: &mut Self::Group, number: usize) -> Vec<(Namespace, Self::Group)>;

    /// Removes a bounded number of rows that are dead at `now`, and no live item.
    fn sweep(
        &self,
        transaction: &mut Transaction,
        now: Timestamp,
    ) -> impl Future<Output = Result<Swept, sqlx::Error>> + Send;

    /// Writes without a visible change.
    fn touch(&self, transaction: &mut Transaction) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Called before the writer's connection is closed.
    fn close(self, connection: &mut SqliteConnection)
    -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}
