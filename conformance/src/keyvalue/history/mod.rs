//! Concurrent operations on KeyValue records, held against a specification of one record (LIN-1).
//!
//! Knows Put, Delete, Get of a first page and Scan of one record in one message, without ttl and `keys_only`, and takes
//! the time of the store to stand still; other operations are passed over.

mod ask;
mod explain;
mod mix;
mod model;
mod problem;

pub(crate) use ask::{Record, keys, range};
pub(crate) use mix::{Mix, Plan};
use model::{Call, State};
pub use problem::Names;

use super::{KeyValue, Request};
use crate::core::linearizability::{self, Linearizable, Problem, Shown};

/// One client of a KeyValue store.
pub type Client = linearizability::Client<KeyValue>;
/// Operations on a KeyValue store.
pub type History = linearizability::History<KeyValue>;
/// One operation on a KeyValue store.
pub type Operation = linearizability::Operation<KeyValue>;
/// Writes down what the clients of a KeyValue store do.
pub type Recorder = linearizability::Recorder<KeyValue>;
/// What a history shows.
pub type Verdict = linearizability::Verdict<KeyValue>;

impl Linearizable for KeyValue {
    type Spec = model::Record;
    type Names = Names;

    fn writes(request: &Request) -> bool {
        matches!(request, Request::Put(_) | Request::Delete(_))
    }

    fn object(request: &Request) -> Option<(&str, &str)> {
        match request {
            Request::Put(put) => Some((&put.namespace, &put.id)),
            Request::Get(get) => Some((&get.namespace, &get.id)),
            Request::Delete(delete) => Some((&delete.namespace, &delete.id)),
            Request::Scan(scan, _) if !scan.id.is_empty() => Some((&scan.namespace, &scan.id)),
            Request::Scan(..) | Request::Describe(_) => None,
        }
    }

    fn problem(history: &History) -> (Names, Problem<model::Record>) {
        problem::problem(history)
    }

    fn allowed(names: &Names, call: &Call, state: &State, shown: &Shown<'_, Self>) -> String {
        explain::Words::of(shown).allowed(names, call, state)
    }

    fn actual(shown: &Shown<'_, Self>) -> String {
        explain::Words::of(shown).actual()
    }

    /// An item without its times, and no end of a stream.
    fn brief(line: &str) -> Option<&str> {
        let item = line.split_once(" created ").map_or(line, |(item, _)| item);
        (line != "end").then_some(item)
    }
}
