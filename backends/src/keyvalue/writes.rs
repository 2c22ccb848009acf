//! The writes of KeyValue: queued jobs, requests of a batch, and their answers.

use std::time::Duration;

use prism_contract::keyvalue::{Delete, Item, NewItem, Precondition, Predicate, Put, PutResult};
use prism_contract::{Error, Namespace};

use crate::engine::{Entry, Group, Job, Queue, Work};
use crate::trace::Wait;

impl Work for Put {
    type Answer = Vec<PutResult>;

    fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}

impl Work for Delete {
    /// Number of live items removed.
    type Answer = u64;

    fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}

/// A queued write.
pub(crate) enum Write {
    Put(Job<Put>),
    Delete(Job<Delete>),
}

/// The request of a write.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request<'a> {
    Put(&'a Put),
    Delete(&'a Delete),
}

/// Writes that are committed together, in order of arrival.
#[derive(Default)]
pub(crate) struct Writes(pub(crate) Vec<Write>);

/// The answers to the requests of a batch: those of the Puts and those of the Deletes, each in order.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) puts: Vec<Result<Vec<PutResult>, Error>>,
    pub(crate) deletes: Vec<Result<u64, Error>>,
}

impl Write {
    pub(crate) fn request(&self) -> Request<'_> {
        match self {
            Self::Put(put) => Request::Put(&put.request),
            Self::Delete(delete) => Request::Delete(&delete.request),
        }
    }
}

impl Entry for Write {
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Put(put) => put.is_abandoned(),
            Self::Delete(delete) => delete.is_abandoned(),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Put(put) => put.weight(),
            Self::Delete(delete) => delete.weight(),
        }
    }

    fn wait(&mut self) -> &mut Wait {
        match self {
            Self::Put(put) => put.wait(),
            Self::Delete(delete) => delete.wait(),
        }
    }

    fn refuse(self, error: Error) -> Box<dyn FnOnce() + Send> {
        match self {
            Self::Put(put) => put.refuse(error),
            Self::Delete(delete) => delete.refuse(error),
        }
    }
}

impl<'a> Request<'a> {
    /// The namespace and id of the record.
    pub(crate) fn record(self) -> (&'a str, &'a str) {
        match self {
            Self::Put(put) => (put.namespace.as_str(), put.id.as_str()),
            Self::Delete(delete) => (delete.namespace.as_str(), delete.id.as_str()),
        }
    }

    /// Number of keys that it reads or writes.
    pub(crate) fn keys(self) -> usize {
        let keys = match self {
            Self::Put(put) => put.items.len(),
            Self::Delete(delete) => match &delete.predicate {
                Predicate::Keys(keys) => keys.len(),
                Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => 1,
            },
        };
        keys + self.preconditions().len()
    }

    pub(crate) fn preconditions(self) -> &'a [Precondition] {
        match self {
            Self::Put(put) => &put.preconditions,
            Self::Delete(delete) => &delete.preconditions,
        }
    }

    /// The Delete, if its predicate is not a list of keys: then its number of items is not known in advance.
    pub(crate) fn unbounded(self) -> Option<&'a Delete> {
        match self {
            Self::Put(_) => None,
            Self::Delete(delete) => match &delete.predicate {
                Predicate::Keys(_) => None,
                Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => Some(delete),
            },
        }
    }
}

impl Writes {
    pub(crate) fn requests(&self) -> Vec<Request<'_>> {
        self.0.iter().map(Write::request).collect()
    }

    /// Answers each write.
    #[cfg(feature = "sqlite")]
    pub(crate) fn answer(self, answers: Answers) {
        let (mut puts, mut deletes) = (answers.puts.into_iter(), answers.deletes.into_iter());
        for write in self.0 {
            match write {
                Write::Put(job) => job.answer(puts.next().unwrap_or_else(|| Err(unanswered()))),
                Write::Delete(job) => job.answer(deletes.next().unwrap_or_else(|| Err(unanswered()))),
            }
        }
    }
}

impl Group for Writes {
    type Entry = Write;

    fn keys(entry: &Write) -> usize {
        entry.request().keys()
    }

    fn push(&mut self, entry: Write) {
        self.0.push(entry);
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    #[cfg(feature = "sqlite")]
    fn is_any_abandoned(&self) -> bool {
        self.0.iter().any(Entry::is_abandoned)
    }

    #[cfg(feature = "postgres")]
    fn are_all_abandoned(&self) -> bool {
        self.0.iter().all(Entry::is_abandoned)
    }

    fn drop_abandoned(&mut self) {
        self.0.retain(|write| !write.is_abandoned());
    }

    fn fail(self, error: &Error) {
        for write in self.0 {
            write.refuse(error.clone())();
        }
    }
}

impl Answers {
    /// The same error for each request.
    #[cfg(feature = "postgres")]
    pub(crate) fn all(requests: &[Request<'_>], error: &Error) -> Self {
        let mut answers = Self::default();
        for request in requests {
            match request {
                Request::Put(_) => answers.puts.push(Err(error.clone())),
                Request::Delete(_) => answers.deletes.push(Err(error.clone())),
            }
        }
        answers
    }
}

/// A write was committed, but its answer is missing.
pub(crate) fn unanswered() -> Error {
    Error::internal("a write was not answered")
}

/// The writer's queue of a KeyValue store, which may take the writes of other abstractions too.
impl<G: Group<Entry: From<Write>>, C> Queue<G, C> {
    /// Queues a Put and waits for its answer.
    pub(crate) async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        let weigh = |item: &NewItem| Item::weigh(item.key.len(), item.value.len(), item.content_type.len());
        let weight = put.items.iter().map(weigh).sum::<usize>() + weight_of(&put.preconditions);
        self.write(put, weight, |job| Write::Put(job).into()).await
    }

    /// Queues a Delete and waits for its answer.
    pub(crate) async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        let keys = match &delete.predicate {
            Predicate::Keys(keys) => keys.iter().map(|key| Item::weigh(key.len(), 0, 0)).sum(),
            Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => Item::FIXED_WEIGHT,
        };
        let weight = keys + weight_of(&delete.preconditions);
        self.write(delete, weight, |job| Write::Delete(job).into()).await
    }
}

fn weight_of(preconditions: &[Precondition]) -> usize {
    preconditions.iter().map(|precondition| Item::weigh(precondition.key.len(), 0, 0)).sum()
}

/// A retention, rounded up to whole microseconds as in the contract, so that SQL that subtracts it agrees with rules that
/// add it.
pub(crate) fn whole_micros(retention: Duration) -> Duration {
    let micros = retention.as_nanos().div_ceil(1_000);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// A retention that SQL can subtract from a time without overflow: at most half the range, which is more than any
/// difference of two times.
pub(crate) fn subtractable_micros(retention: Duration) -> i64 {
    i64::try_from(retention.as_micros()).unwrap_or(i64::MAX).min(i64::MAX / 2)
}
