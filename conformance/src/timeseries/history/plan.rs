//! What the clients of a history do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::timeseries::request::{AppendRequest, QueryRequest, TailFrom, TailRequest};

use super::Client;
use crate::core::linearizability::{Dice, RoundBarrier};
use crate::timeseries::{Events, Outcome, Request, Response, TailUntil, event};

/// The series of a history.
pub(crate) const SERIES: [&str; 2] = ["s", "t"];

/// Operations of a client between two moments at which all clients meet.
pub(crate) const TOGETHER: usize = 4;

/// Timeout of a client that waits for another to be answered.
const WAIT_TIMEOUT: Duration = Duration::from_millis(2);

/// One round of clients that append to and read two series.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) namespace: String,
    /// A time that the namespace accepts.
    pub(crate) time: Timestamp,
    pub(crate) seed: u64,
    /// Operations of each client.
    pub(crate) operations: usize,
    /// The number of this part of the history: ids of different parts are different.
    pub(crate) part: usize,
    /// Tails with which each client ends, from the tokens of its Queries and from the beginning.
    pub(crate) tails: usize,
    pub(crate) barrier: Arc<RoundBarrier>,
}

impl Plan {
    /// Sends the client's requests; every few of them begin together with those of the others.
    pub(crate) async fn run(self, mut client: Client) {
        let mut dice = Dice::new(self.seed, client.number() as u64 + 1);
        let mut tokens = Vec::new();
        for number in 0..self.operations {
            if number > 0 && number.is_multiple_of(TOGETHER) {
                self.barrier.wait(number / TOGETHER);
            }
            let request = if (number + client.number()).is_multiple_of(2) {
                self.append(client.number(), number, &mut dice)
            } else {
                let request = self.query(SERIES[dice.below(2)]);
                if dice.chance(30) {
                    client.wait_for_another(WAIT_TIMEOUT);
                }
                request
            };
            let Some(outcome) = client.send(request.clone()).await else { return };
            if let (Request::Query(query, _), Some(tail_token)) = (&request, tail_token(&outcome))
                && query.series == SERIES[0]
            {
                tokens.push(tail_token);
            }
        }
        for nth in 0..self.tails {
            // One from the beginning, where there are several; the others from the latest Queries.
            let token = if nth > 0 || dice.chance(60) { tokens.pop() } else { None };
            let from = token.map_or(TailFrom::Beginning, TailFrom::Token);
            if client.send(self.tail(from)).await.is_none() {
                return;
            }
        }
    }

    /// Three events, of both series; times fall, so that the order by time is another one than that of Appends.
    fn append(&self, client: usize, number: usize, dice: &mut Dice) -> Request {
        let at = |back: usize| self.time.saturating_sub(Duration::from_micros(back as u64));
        let first = dice.below(2);
        let events = (0..3).map(|nth| {
            let id = format!("{}-{client}-{number:03}-{nth}", self.part);
            event(at(number * 3 + nth), id).of(SERIES[(first + nth) % 2])
        });
        Request::Append(AppendRequest { namespace: self.namespace.clone(), events: events.collect() })
    }

    /// All events of a series.
    pub(crate) fn query(&self, series: &str) -> Request {
        let (namespace, series) = (self.namespace.clone(), series.to_owned());
        Request::Query(QueryRequest { namespace, series, ..QueryRequest::default() }, None)
    }

    /// A Tail of the first series, until it has caught up.
    pub(crate) fn tail(&self, from: TailFrom) -> Request {
        let (namespace, series) = (self.namespace.clone(), SERIES[0].to_owned());
        let tail = TailRequest { namespace, series, from, ..TailRequest::default() };
        Request::Tail(tail, TailUntil::CaughtUp)
    }
}

/// The tail token of a Query's answer.
pub(crate) fn tail_token(outcome: &Outcome) -> Option<Bytes> {
    match outcome {
        Outcome::Answered(Response::Query(messages)) => {
            messages.last().map(|last| last.tail_token.clone()).filter(|token| !token.is_empty())
        }
        Outcome::Answered(_) | Outcome::Failed(_) | Outcome::Done => None,
    }
}
