//! A Tail that stays open while a case does something else.

use std::time::Duration;

use prism_contract::timeseries::request::{TailRequest, TailResponse};
use tokio::time::Instant;

use super::store::read_tail;
use super::{Action, Ctx, Outcome, Request, Response, TailMessages, TailUntil};
use crate::core::{Failure, Reply, StatusCode, Stop, answered, refused};

/// Maximum time until a Tail ends that has to. Much more than any server needs, so that a busy machine does not fail.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// An open Tail.
pub struct OpenTail<'c> {
    ctx: &'c Ctx,
    request: TailRequest,
    messages: Box<dyn TailMessages>,
}

impl<'c> OpenTail<'c> {
    pub(super) fn new(ctx: &'c Ctx, request: TailRequest, messages: Box<dyn TailMessages>) -> Self {
        Self { ctx, request, messages }
    }

    /// Reads up to there; checks nothing.
    pub async fn outcome(&mut self, until: TailUntil) -> (usize, Result<Vec<TailResponse>, Failure>) {
        let read = read_tail(&mut *self.messages, false, until).await;
        let outcome = Outcome::from(read.clone().map(Response::Tail));
        let request = Request::TailFurther(self.request.clone(), until);
        (self.ctx.record(Action::Call(request), outcome), read)
    }

    /// Reads up to there.
    pub async fn read(&mut self, until: TailUntil) -> Result<Reply<Vec<TailResponse>>, Stop> {
        let (step, read) = self.outcome(until).await;
        answered(step, read)
    }

    /// Reads up to its end, which must have this status, and comes soon. Messages may have been sent before it.
    pub async fn ends(&mut self, code: StatusCode) -> Result<Reply<Failure>, Stop> {
        let deadline = Instant::now() + END_TIMEOUT;
        loop {
            let (step, read) = self.outcome(TailUntil::Messages(1)).await;
            if read.is_err() || Instant::now() >= deadline {
                return refused(step, read, code);
            }
        }
    }
}
