//! A Tail in progress: events in append order, without end.

use bytes::Bytes;

use super::edge::Found;
use super::request::TailResponse;
use super::token::TailScope;
use super::{Directory, Position, Series, Start, Tags, Tail};
use crate::{Access, Error, Namespace, PageSize, Timestamp};

/// A Tail in progress. It looks the namespace up for each message, so a change of its policy holds at once, and holds no page
/// between two messages. The server waits with [`TailCursor::wait`], and sends [`TailCursor::heartbeat`] at least every
/// heartbeat interval (TAIL-4).
pub struct TailCursor<D> {
    directory: D,
    scope: TailScope,
    namespace: Namespace,
    series: Option<Series>,
    tags: Tags,
    without_payload: bool,
    /// Where it is; `Err`: it has not begun.
    at: Result<Position, Start>,
    /// The moment of a Tail from the beginning: what had expired by then is passed over.
    began: Option<Timestamp>,
}

impl<D: Directory> TailCursor<D> {
    pub(super) fn new(
        directory: D,
        scope: TailScope,
        (namespace, series, tags, without_payload): (Namespace, Option<Series>, Tags, bool),
        from: Result<(Position, Option<Timestamp>), Start>,
    ) -> Self {
        let (at, began) = match from {
            Ok((position, began)) => (Ok(position), began),
            Err(start) => (Err(start), None),
        };
        Self { directory, scope, namespace, series, tags, without_payload, at, began }
    }

    /// The first message: without events, with the token of the starting point (TAIL-1).
    ///
    /// # Errors
    /// [`Error::TokenExpired`] for a token that cannot be continued, and those of the backend.
    pub async fn start(&mut self, now: Timestamp) -> Result<TailResponse, Error> {
        let found = self.found()?;
        match &self.at {
            Err(start) => {
                let position = found.backend.position(&self.namespace, self.series.as_ref(), *start).await?;
                self.began = (*start == Start::Beginning).then_some(now);
                self.at = Ok(position);
            }
            Ok(position) => {
                // An expired token is refused before the first message.
                let check = Tail { page: PageSize::new(1, 0), ..self.operation(&found, position, now) };
                found.backend.tail(&check).await?;
            }
        }
        Ok(self.heartbeat())
    }

    /// Reads the next message without waiting: a message without events means that none was there, or that those which were
    /// read do not match. The flag tells whether more can be read at once.
    ///
    /// # Errors
    /// [`Error::TokenExpired`] if an event that this Tail would have brought has expired (TAIL-6), and those of the backend.
    pub async fn read(&mut self, now: Timestamp) -> Result<(TailResponse, bool), Error> {
        let found = self.found()?;
        let Ok(position) = &self.at else {
            return Err(Error::internal("a Tail was read before it was started"));
        };
        let page = found.backend.tail(&self.operation(&found, position, now)).await?;
        self.at = Ok(page.position);
        Ok((TailResponse { events: page.events, token: self.token() }, page.more))
    }

    /// Waits until there may be more to read.
    pub async fn wait(&self, now: Timestamp) {
        if let (Ok(found), Ok(position)) = (self.found(), &self.at) {
            found.backend.appended(&self.operation(&found, position, now)).await;
        }
    }

    /// A message without events, whose token is past everything that was read.
    pub fn heartbeat(&self) -> TailResponse {
        TailResponse { events: Vec::new(), token: self.token() }
    }

    fn token(&self) -> Bytes {
        let token = self.at.as_ref().map(|position| self.scope.seal(position, self.began));
        token.unwrap_or_default()
    }

    /// The namespace as it is served now: it was admitted when the Tail began.
    fn found(&self) -> Result<Found, Error> {
        Found::of(&self.directory, &self.namespace, Access::Describe)
    }

    fn operation(&self, found: &Found, position: &Position, now: Timestamp) -> Tail {
        Tail {
            namespace: self.namespace.clone(),
            series: self.series.clone(),
            tags: self.tags.clone(),
            after: position.clone(),
            passed_over: self.began.and_then(|began| found.policy.expired(began)),
            page: PageSize::default(),
            without_payload: self.without_payload,
            expired: found.policy.expired(now),
        }
    }
}
