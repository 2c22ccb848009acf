//! The writes that are being done. A write that was given up while it is done holds back later writes of its record, so that
//! it cannot take effect after one of them was answered; so does a write that goes alone, whose lock they would wait for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::commit::Commit;
use crate::engine::{Entry, Group, shed};

/// How often a batch is looked at for whether anybody still waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Most writes that one batch holds back; one more is shed.
const HELD_BACK: usize = 256;

/// The batches that are being done: as many as there are writers, and the one that goes alone.
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

/// A batch that is being done. Dropped before its end, it is taken off the list and its jobs are dropped.
pub(super) struct Begun<'a, C: Commit> {
    running: &'a Running<C>,
    batch: Option<Batch<C::Group>>,
}

/// Writes that are done together.
pub(super) struct Batch<G> {
    pub(super) group: Arc<G>,
    /// Whether it goes alone, so that later writes of its records are held back from the start.
    pub(super) alone: bool,
    /// A later write waits for one of these that was given up.
    wanted: Arc<Notify>,
}

impl<G> Clone for Batch<G> {
    fn clone(&self) -> Self {
        Self { group: Arc::clone(&self.group), alone: self.alone, wanted: Arc::clone(&self.wanted) }
    }
}

impl<C: Commit> Running<C> {
    /// Begins with `group`, without those that another batch holds back; `None` if these are all.
    pub(super) fn begin(&self, mut group: C::Group, alone: bool) -> Option<Begun<'_, C>> {
        // No caller waits for these, so they are not begun.
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

    /// Takes a batch off the list; answers what it held back.
    fn remove(&self, batch: &Batch<C::Group>) -> C::Group {
        let mut entries = self.entries();
        let at = entries.iter().position(|entry| Arc::ptr_eq(&entry.batch.group, &batch.group));
        at.map(|at| entries.swap_remove(at).held_back).unwrap_or_default()
    }

    /// A std mutex: nothing awaits while it is held, and no panic can leave the list half changed.
    fn entries(&self) -> MutexGuard<'_, Vec<Held<C::Group>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Commit> Begun<'_, C> {
    /// The writes.
    pub(super) fn batch(&self) -> Option<&Batch<C::Group>> {
        self.batch.as_ref()
    }

    /// The end of the batch: its writes, and those that it held back.
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
            let _ = tokio::time::timeout(LOOK_EVERY, self.wanted.notified()).await;
            if self.group.are_all_abandoned() {
                return;
            }
        }
    }
}
