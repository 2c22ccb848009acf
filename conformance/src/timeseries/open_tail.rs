//! A Tail that stays open while a case does something else.

use prism_contract::timeseries::request::{TailRequest, TailResponse};

use super::store::read_tail;
use super::{Action, Ctx, Outcome, Request, Response, TailMessages, TailUntil};
use crate::core::{Failure, Reply, StatusCode, Stop, answered, refused};

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

    /// Reads up to its end, which must have this status.
    pub async fn ends(&mut self, code: StatusCode) -> Result<Reply<Failure>, Stop> {
        let (step, read) = self.outcome(TailUntil::CaughtUp).await;
        refused(step, read, code)
    }
}
