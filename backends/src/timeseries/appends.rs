//! Appends that wait to be committed together.

use prism_contract::timeseries::{Append, SeriesEvent};
use prism_contract::{Error, Namespace};

use crate::engine::{Entry, Group, Job, Queue, Work};

impl Work for Append {
    /// Of each event, whether it was there already.
    type Answer = Vec<bool>;

    fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}

/// Appends that are committed together, in order of arrival.
#[derive(Default)]
pub(crate) struct Appends(pub(crate) Vec<Job<Append>>);

impl Appends {
    /// The requests.
    pub(crate) fn requests(&self) -> Vec<&Append> {
        self.0.iter().map(|job| &job.request).collect()
    }

    /// Answers each.
    pub(crate) fn answer(self, answers: Vec<Result<Vec<bool>, Error>>) {
        let mut answers = answers.into_iter();
        for job in self.0 {
            job.answer(answers.next().unwrap_or_else(|| Err(Error::internal("an Append was not answered"))));
        }
    }
}

impl Group for Appends {
    type Entry = Job<Append>;

    fn keys(entry: &Job<Append>) -> usize {
        entry.request.events.len()
    }

    fn push(&mut self, entry: Job<Append>) {
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
        self.0.retain(|job| !job.is_abandoned());
    }

    fn fail(self, error: &Error) {
        for job in self.0 {
            job.refuse(error.clone())();
        }
    }
}

/// The writer's queue of a TimeSeries store, which may take the writes of other abstractions too.
impl<G: Group<Entry: From<Job<Append>>>, C> Queue<G, C> {
    /// Queues an Append and waits for its answer.
    pub(crate) async fn append(&self, append: Append) -> Result<Vec<bool>, Error> {
        let weight = append.events.iter().map(SeriesEvent::weight).sum();
        self.write(append, weight, G::Entry::from).await
    }
}
