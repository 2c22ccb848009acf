//! The batches in progress. A cancelled write in progress holds back later writes to its record, so that it cannot take
//! effect after one of them was answered. So does a write that is committed alone, since the others would wait for its
//! lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::commit::Commit;
use crate::engine::{Entry, Group, shed};

/// Interval of checking whether any caller still waits for a batch.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Maximum writes that one batch holds back; further ones are shed.
const HELD_BACK: usize = 256;

/// The batches in progress: at most one per writer, plus the one that is committed alone.
pub(super) struct Running<C: Commit>(Mutex<Vec<Held<C::Group>>>);

impl<C: Commit> Default for Running<C> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

struct Held<G> {
    batch: Batch<G>,
    held_back: G,
}

/// A batch in progress. If dropped before its end, it is removed from the list and its jobs are dropped.
pub(super) struct Begun<'a, C: Commit> {
    running: &'a Running<C>,
    batch: Option<Batch<C::Group>>,
}

/// Writes that are committed together.
pub(super) struct Batch<G> {
    pub(super) group: Arc<G>,
    /// Whether it is committed alone, so that later writes to its records are held back from the start.
    pub(super) alone: bool,
    /// Notified when a later write waits for a cancelled one of these.
    wanted: Arc<Notify>,
}

impl<G> Clone for Batch<G> {
    fn clone(&self) -> Self {
        Self { group: Arc::clone(&self.group), alone: self.alone, wanted: Arc::clone(&self.wanted) }
    }
}

impl<C: Commit> Running<C> {
    /// Begins `group`, without the writes that another batch holds back; `None` if none are left.
    pub(super) fn begin(&self, mut group: C::Group, alone: bool) -> Option<Begun<'_, C>> {
        // No caller waits for these any more.
        group.drop_abandoned();
        let mut surplus = Vec::new();
        let begun = {
            let mut entries = self.entries();
            for Held { batch, held_back } in &mut *entries {
                for write in C::hold_back(&batch.group, batch.alone, &mut group) {
                    batch.wanted.notify_one();
                    if held_back.len() < HELD_BACK { held_back.push(write) } else { surplus.push(write) }
                }
            }
            (!group.is_empty()).then(|| {
                let batch = Batch { group: Arc::new(group), alone, wanted: Arc::default() };
                entries.push(Held { batch: batch.clone(), held_back: C::Group::default() });
                Begun { running: self, batch: Some(batch) }
            })
        };
        for write in surplus {
            write.refuse(shed())();
        }
        begun
    }

    /// Removes a batch from the list; returns the writes it held back.
    fn remove(&self, batch: &Batch<C::Group>) -> C::Group {
        let mut entries = self.entries();
        let at = entries.iter().position(|entry| Arc::ptr_eq(&entry.batch.group, &batch.group));
        at.map(|at| entries.swap_remove(at).held_back).unwrap_or_default()
    }

    /// A std mutex: never held across an await, and no panic can leave the list half changed.
    fn entries(&self) -> MutexGuard<'_, Vec<Held<C::Group>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Commit> Begun<'_, C> {
    /// The writes.
    pub(super) fn batch(&self) -> Option<&Batch<C::Group>> {
        self.batch.as_ref()
    }

    /// Ends the batch; returns its writes, and those that it held back.
    pub(super) fn end(mut self) -> (C::Group, C::Group) {
        let Some(batch) = self.batch.take() else { return Default::default() };
        let held_back = self.running.remove(&batch);
        // The list had the only other reference.
        (Arc::into_inner(batch.group).unwrap_or_default(), held_back)
    }
}

impl<C: Commit> Drop for Begun<'_, C> {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            let dropped = self.running.remove(&batch);
            drop(dropped);
        }
    }
}

impl<G: Group> Batch<G> {
    /// Completes once no caller waits for any of these writes any more.
    pub(super) async fn abandoned(&self) {
        loop {
            let _ = tokio::time::timeout(POLL_INTERVAL, self.wanted.notified()).await;
            if self.group.are_all_abandoned() {
                return;
            }
        }
    }
}
