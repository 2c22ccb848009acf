//! What an abstraction brings to the writer.

use std::pin::Pin;
use std::time::Duration;

use prism_contract::{Namespace, Swept, Timestamp};
use sqlx::SqliteConnection;

use super::limit::Limit;
use super::transaction::Transaction;
use crate::engine::Group;

/// How much a group has written, for the checkpoints.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::sqlite) struct Written {
    pub(in crate::sqlite) rows: usize,
    pub(in crate::sqlite) bytes: usize,
}

/// A group's requests, and what ends when the caller of its only write stops waiting.
pub(in crate::sqlite) type Watched<'a, R> = (R, Pin<Box<dyn Future<Output = ()> + Send + 'a>>);

/// The writes of an abstraction: its statements, and what it knows between transactions.
pub(in crate::sqlite) trait Commit: Sized + Send + 'static {
    /// Writes that are committed together.
    type Group: Group;
    /// What they ask for.
    type Requests<'a>: Send + Sync;
    /// The answers to them.
    type Answers: Send;

    /// What a group asks for.
    fn requests(group: &Self::Group) -> Self::Requests<'_>;

    /// The same of a group of one write, and what ends when its caller stops waiting.
    fn watched(group: &mut Self::Group) -> Watched<'_, Self::Requests<'_>>;

    /// Commits requests by statements that begin and end their own transaction. `None`: that cannot be done with these, and
    /// nothing was done. After an error the transaction may still be open.
    fn commit_at_once(
        &mut self,
        requests: &Self::Requests<'_>,
        connection: &mut SqliteConnection,
    ) -> impl Future<Output = Option<Result<Self::Answers, sqlx::Error>>> + Send;

    /// Does requests in a transaction; an error means all of them. From the first one on whose work has no bound, the
    /// statements may run for the time given together; the limit is to be disarmed afterwards.
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

    /// Each write by itself.
    fn apart(group: Self::Group) -> Vec<Self::Group>;

    /// Takes out of a group the write without a bound that had this number, and what its namespace has of the kind, each by
    /// itself. What is left is tried again.
    fn take_large(group: &mut Self::Group, number: usize) -> Vec<(Namespace, Self::Group)>;

    /// Drops a bounded amount of what is dead at `now`, and nothing that is live.
    fn sweep(
        &self,
        transaction: &mut Transaction,
        now: Timestamp,
    ) -> impl Future<Output = Result<Swept, sqlx::Error>> + Send;

    /// Changes something, and nothing that anyone can see.
    fn touch(&self, transaction: &mut Transaction) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// The writer's connection is about to be closed.
    fn close(self, connection: &mut SqliteConnection)
    -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}
