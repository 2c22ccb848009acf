//! Writes that take long: each is committed in a separate transaction, and afterwards the writer does other work for as
//! long.

use std::collections::VecDeque;
use std::time::Duration;

use prism_contract::Namespace;
use tokio::time::{Instant, sleep_until};
use tracing::Span;

use crate::engine::Group;

/// Waiting large writes. Their wait is bounded by the callers' deadlines, their number by the calls in flight.
pub(super) struct Large<G> {
    /// Groups of one write, each with the span of the batch that it was taken with.
    waiting: VecDeque<(Namespace, G, Span)>,
    /// The namespace of the last one: another namespace goes first.
    last: Option<Namespace>,
    /// When the next one may begin even if other writes wait.
    next: Option<Instant>,
}

impl<G> Default for Large<G> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), last: None, next: None }
    }
}

impl<G: Group> Large<G> {
    pub(super) fn extend(&mut self, writes: impl IntoIterator<Item = (Namespace, G)>) {
        let span = Span::current();
        self.waiting.extend(writes.into_iter().map(|(namespace, write)| (namespace, write, span.clone())));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Waits until the next one may begin even if other writes wait; for ever if there is none.
    pub(super) async fn due(&self) {
        match self.next {
            _ if self.is_empty() => std::future::pending().await,
            Some(next) => sleep_until(next).await,
            None => {}
        }
    }

    /// The next one whose caller still waits, of another namespace than the last if there is one.
    pub(super) fn take(&mut self) -> Option<(G, Span)> {
        self.waiting.retain(|(_, write, _)| !write.is_any_abandoned());
        let of_others = self.waiting.iter().position(|(namespace, ..)| Some(namespace) != self.last.as_ref());
        let (namespace, write, span) = self.waiting.remove(of_others.unwrap_or(0))?;
        self.last = Some(namespace);
        Some((write, span))
    }

    /// A large write ended after `time`: other writes have the writer for as long.
    pub(super) fn took(&mut self, time: Duration) {
        self.next = Some(Instant::now() + time);
    }
}
