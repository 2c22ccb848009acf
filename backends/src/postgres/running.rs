//! The writes that are being done. A write that was given up while it is done holds back later writes of its record, so that
//! it cannot take effect after one of them was answered; so does a Delete that takes long, whose lock they would wait for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::queue::{Job, shed};

/// How often a batch is looked at for whether anybody still waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Most writes that one batch holds back; one more is shed.
const HELD_BACK: usize = 256;

/// The batches that are being done: as many as there are writers, and the one that goes alone.
#[derive(Default)]
pub(super) struct Running(Mutex<Vec<Entry>>);

struct Entry {
    batch: Batch,
    held_back: Vec<Job>,
}

/// A batch that is being done. Dropped before its end, it is taken off the list and its jobs are dropped.
pub(super) struct Begun<'a> {
    running: &'a Running,
    batch: Option<Batch>,
}

/// Writes that are done together.
#[derive(Clone)]
pub(super) struct Batch {
    pub(super) jobs: Arc<Vec<Job>>,
    /// Whether it takes long, so that later writes of its records are held back from the start.
    pub(super) long: bool,
    /// A later write waits for one of these that was given up.
    wanted: Arc<Notify>,
}

impl Running {
    /// Begins with `jobs`, without those that another batch holds back; `None` if these are all.
    pub(super) fn begin(&self, mut jobs: Vec<Job>, long: bool) -> Option<Begun<'_>> {
        // No caller waits for these, so they are not begun.
        jobs.retain(|job| !job.is_abandoned());
        let mut surplus = Vec::new();
        let begun = {
            let mut entries = self.entries();
            for entry in &mut *entries {
                let Entry { batch, held_back } = entry;
                for job in jobs.extract_if(.., |job| batch.holds_back(job)) {
                    batch.wanted.notify_one();
                    if held_back.len() < HELD_BACK { held_back.push(job) } else { surplus.push(job) }
                }
            }
            (!jobs.is_empty()).then(|| {
                let batch = Batch { jobs: Arc::new(jobs), long, wanted: Arc::default() };
                entries.push(Entry { batch: batch.clone(), held_back: Vec::new() });
                Begun { running: self, batch: Some(batch) }
            })
        };
        for job in surplus {
            job.answer(Err(shed()));
        }
        begun
    }

    /// Takes a batch off the list; answers what it held back.
    fn remove(&self, batch: &Batch) -> Vec<Job> {
        let mut entries = self.entries();
        let at = entries.iter().position(|entry| Arc::ptr_eq(&entry.batch.jobs, &batch.jobs));
        at.map(|at| entries.swap_remove(at).held_back).unwrap_or_default()
    }

    /// A std mutex: nothing awaits while it is held, and no panic can leave the list half changed.
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Begun<'_> {
    /// The writes.
    pub(super) fn batch(&self) -> Option<&Batch> {
        self.batch.as_ref()
    }

    /// The end of the batch: its jobs, and those that it held back.
    pub(super) fn end(mut self) -> (Vec<Job>, Vec<Job>) {
        let Some(batch) = self.batch.take() else { return Default::default() };
        let held_back = self.running.remove(&batch);
        // The list had the only other reference.
        (Arc::into_inner(batch.jobs).unwrap_or_default(), held_back)
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            let dropped = self.running.remove(&batch);
            drop(dropped);
        }
    }
}

impl Batch {
    /// Completes once no caller waits for any of these writes any more.
    pub(super) async fn abandoned(&self) {
        loop {
            let _ = tokio::time::timeout(LOOK_EVERY, self.wanted.notified()).await;
            if self.jobs.iter().all(Job::is_abandoned) {
                return;
            }
        }
    }

    /// Whether `later` is to wait for a write of this batch.
    fn holds_back(&self, later: &Job) -> bool {
        let record = later.request.record();
        self.jobs.iter().any(|job| (self.long || job.is_abandoned()) && job.request.record() == record)
    }
}
