//! A resource that topics share, such as consumers or the bytes of a queue: one whose brokers do not answer must not hold all of it.
//!
//! The share of a topic has a dynamic threshold: it may have as much as is free. So one topic alone gets half, n of them 1/(n+1)
//! each, and there is always room for another one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::timeout;

/// Topics without a share whose entries are kept, to save allocating them again.
const KEPT: usize = 64;

/// The resource.
pub(super) struct Shares {
    capacity: usize,
    state: Mutex<State>,
    released: Notify,
}

#[derive(Default)]
struct State {
    used: usize,
    topics: HashMap<Box<str>, Entry>,
}

#[derive(Default)]
struct Entry {
    used: usize,
    /// Held by the first that waits, so that the others of the topic are served in order.
    line: Arc<AsyncMutex<()>>,
}

/// A part that is in use, released on drop.
pub(super) struct Share {
    shares: Arc<Shares>,
    topic: Box<str>,
    amount: usize,
}

impl Shares {
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { capacity: capacity.max(1), state: Mutex::default(), released: Notify::new() })
    }

    /// Takes an amount for a topic, of at most the capacity; waits for it, at most `wait`, after which the answer is `None`.
    pub(super) async fn take(self: &Arc<Self>, topic: &str, amount: usize, wait: Duration) -> Option<Share> {
        let amount = amount.min(self.capacity);
        let line = self.line(topic);
        if let Ok(_first) = line.try_lock()
            && let Some(share) = self.try_take(topic, amount)
        {
            return Some(share);
        }
        let waiting = async {
            let _first = line.lock().await;
            loop {
                let mut released = std::pin::pin!(self.released.notified());
                // Registered before the look, so that no release is missed in between.
                released.as_mut().enable();
                if let Some(share) = self.try_take(topic, amount) {
                    return share;
                }
                released.await;
            }
        };
        timeout(wait, waiting).await.ok()
    }

    fn line(&self, topic: &str) -> Arc<AsyncMutex<()>> {
        let mut state = self.state();
        if let Some(entry) = state.topics.get(topic) {
            return Arc::clone(&entry.line);
        }
        if state.topics.len() >= KEPT {
            state.topics.retain(|_, entry| entry.used > 0 || Arc::strong_count(&entry.line) > 1);
        }
        Arc::clone(&state.topics.entry(topic.into()).or_default().line)
    }

    fn try_take(self: &Arc<Self>, topic: &str, amount: usize) -> Option<Share> {
        let mut state = self.state();
        let State { used, topics } = &mut *state;
        let free = self.capacity - *used;
        // The caller holds its line, so the entry is there.
        let entry = topics.get_mut(topic)?;
        if entry.used + amount > free {
            return None;
        }
        entry.used += amount;
        *used += amount;
        Some(Share { shares: Arc::clone(self), topic: topic.into(), amount })
    }

    /// A std mutex: never held across an await, and no panic can leave it half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        {
            let mut state = self.shares.state();
            state.used -= self.amount;
            if let Some(entry) = state.topics.get_mut(&self.topic) {
                entry.used -= self.amount;
            }
        }
        self.shares.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(1);

    async fn take_all(shares: &Arc<Shares>, topic: &str) -> Vec<Share> {
        let mut taken = Vec::new();
        while let Some(share) = shares.take(topic, 1, SHORT).await {
            taken.push(share);
        }
        taken
    }

    #[tokio::test]
    async fn a_topic_that_holds_its_share_leaves_room_for_others() {
        let shares = Shares::new(8);
        let one = take_all(&shares, "one").await;
        let two = take_all(&shares, "two").await;
        let three = take_all(&shares, "three").await;
        assert_eq!([one.len(), two.len(), three.len()], [4, 2, 1]);
        drop(one);
        assert_eq!(take_all(&shares, "four").await.len(), 3);
    }

    #[tokio::test]
    async fn one_of_one_and_more_than_there_is_can_be_taken_alone() {
        let shares = Shares::new(1);
        let all = shares.take("one", 9, SHORT).await.unwrap();
        assert!(shares.take("two", 1, SHORT).await.is_none());
        drop(all);
        assert_eq!(take_all(&shares, "two").await.len(), 1);
    }

    #[tokio::test]
    async fn those_of_a_topic_are_served_in_order() {
        let shares = Shares::new(2);
        let held = take_all(&shares, "one").await;
        let served = Arc::<Mutex<Vec<u32>>>::default();
        let mut waiting = Vec::new();
        for number in 0..3 {
            let (shares, served) = (Arc::clone(&shares), Arc::clone(&served));
            let task = async move {
                let share = shares.take("one", 1, Duration::from_secs(30)).await;
                served.lock().unwrap().push(number);
                drop(share);
            };
            waiting.push(tokio::spawn(task));
            // On one thread: it waits in line once it has run.
            tokio::task::yield_now().await;
        }
        drop(held);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*served.lock().unwrap(), [0, 1, 2]);
    }

    #[tokio::test]
    async fn entries_of_topics_that_have_nothing_are_dropped() {
        let shares = Shares::new(2);
        for number in 0..3 * KEPT {
            drop(shares.take(&number.to_string(), 1, SHORT).await);
        }
        assert_eq!(shares.state().topics.len(), KEPT);
    }
}
