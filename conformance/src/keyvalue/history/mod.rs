//! Linearizability of KeyValue records: concurrent operations checked against a single-record specification (LIN-1).
//!
//! Covered: Put, Delete, the first page of a Get and a single-message Scan of one record, without ttl and `keys_only`, on a
//! store clock that stands still. Other operations are ignored.

mod explain;
mod mix;
mod model;
mod problem;
mod requests;

pub(crate) use mix::{Mix, Plan};
use model::{Call, State};
pub use problem::Names;
pub(crate) use requests::{Record, keys, range};

use super::{KeyValue, Request};
use crate::core::linearizability::{self, Linearizable, Problem, Shown};

/// One client of a KeyValue store.
pub type Client = linearizability::Client<KeyValue>;
/// Operations on a KeyValue store.
pub type History = linearizability::History<KeyValue>;
/// One operation on a KeyValue store.
pub type Operation = linearizability::Operation<KeyValue>;
/// Recorder of the operations of a KeyValue store's clients.
pub type Recorder = linearizability::Recorder<KeyValue>;
/// Result of a history check.
pub type HistoryVerdict = linearizability::HistoryVerdict<KeyValue>;

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
        explain::Renderer::of(shown).allowed(names, call, state)
    }

    fn actual(shown: &Shown<'_, Self>) -> String {
        explain::Renderer::of(shown).actual()
    }

    /// A transcript line without item timestamps; `None` for the end of a stream.
    fn brief(line: &str) -> Option<&str> {
        let item = line.split_once(" created ").map_or(line, |(item, _)| item);
        (line != "end").then_some(item)
    }
}
