//! What other gateways append: one task asks for the ends of the topics for which Tails wait, however many there are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use prism_contract::Namespace;
use tokio::sync::Notify;

use super::Inner;
use super::offsets::At;
use super::registry::Loss;
use super::topic::Topic;

/// Time between two questions.
const INTERVAL: Duration = Duration::from_millis(250);

/// Maximum partitions in one question.
const ASKED: usize = 4_096;

/// Topics by name, each with the number of Tails that wait for it.
type Topics = HashMap<Arc<str>, (Topic, usize)>;

/// The topics for which Tails wait.
#[derive(Default)]
pub(super) struct Watch {
    topics: Arc<Mutex<Topics>>,
    /// The Tails that wait for a namespace to get a topic.
    absent: Arc<AtomicUsize>,
    /// Set when there is a topic to watch.
    is_wanted: Notify,
    /// Notified when those that wait for a topic have to look: at an error, or because the store is closed.
    look: Notify,
}

/// Keeps a topic watched.
pub(super) struct Watched {
    topics: Arc<Mutex<Topics>>,
    name: Arc<str>,
}

impl Watch {
    /// Watches a topic, as long as the answer is held.
    pub(super) fn watch(&self, topic: &Topic) -> Watched {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = topics.entry(Arc::clone(&topic.name)).or_insert_with(|| (topic.clone(), 0));
        if entry.0.incarnation != topic.incarnation {
            entry.0 = topic.clone();
        }
        entry.1 += 1;
        self.is_wanted.notify_one();
        Watched { topics: Arc::clone(&self.topics), name: Arc::clone(&topic.name) }
    }

    /// Waits until a namespace has a topic, or an error is to be reported by the read that follows.
    pub(super) async fn created(&self, inner: &Inner, namespace: &Namespace) {
        let _counted = Counted::new(&self.absent);
        self.is_wanted.notify_one();
        loop {
            // Made before the look: each of them is woken by what happens from here on.
            let (changed, look) = (inner.registry.changed.notified(), self.look.notified());
            if inner.is_closed() || inner.registry.get(namespace).is_some() {
                return;
            }
            tokio::select! {
                () = changed => {}
                () = look => return,
            }
        }
    }

    /// Wakes all Tails: the store is closed, or an error is to be reported.
    pub(super) fn wake(&self) {
        self.watched().iter().for_each(|topic| topic.ends.wake());
        self.look.notify_waiters();
    }

    fn watched(&self) -> Vec<Topic> {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics.values().map(|(topic, _)| topic.clone()).collect()
    }

    /// Asks until the backend is dropped.
    pub(super) async fn run(inner: Weak<Inner>) {
        loop {
            {
                let Some(inner) = inner.upgrade() else { return };
                if inner.is_closed() {
                    return;
                }
                let topics = inner.watch.watched();
                if topics.is_empty() && inner.watch.absent.load(Ordering::Acquire) == 0 {
                    let wanted = inner.watch.is_wanted.notified();
                    // Ends now and then, to see whether the backend is there.
                    let _ = tokio::time::timeout(INTERVAL, wanted).await;
                    continue;
                }
                inner.ask(&topics).await;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// Counts a Tail as long as it is held.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = topics.get_mut(&self.name) {
            entry.1 -= 1;
            if entry.1 == 0 {
                topics.remove(&self.name);
            }
        }
    }
}

impl Inner {
    /// Learns the ends of topics.
    async fn ask(&self, topics: &[Topic]) {
        // A namespace that has a topic now, or another one.
        if self.registry.refresh().await.is_err() {
            // The Tails look, and report the error.
            self.watch.wake();
            return;
        }
        let all: Vec<_> = topics
            .iter()
            .flat_map(|topic| (0..topic.record.partitions).map(move |partition| (topic, partition)))
            .collect();
        for some in all.chunks(ASKED) {
            if self.is_closed() {
                return;
            }
            let asked: Vec<_> =
                some.iter().map(|(topic, partition)| (&*topic.name, *partition, At::End)).collect();
            let known: Vec<_> = some.iter().map(|(topic, partition)| topic.ends.get(*partition)).collect();
            let Ok(answers) = self.offsets.of(&asked).await else {
                // The Tails look, and report the error.
                for (topic, _) in some {
                    topic.ends.wake();
                }
                continue;
            };
            for (((topic, partition), known), answer) in some.iter().zip(known).zip(answers) {
                match answer {
                    Ok(end) if topic.ends.learn_asked(*partition, known, end.unwrap_or_default()) => {}
                    Ok(_) => {
                        self.registry.lose(topic, Loss::Shorter);
                        topic.ends.wake();
                    }
                    Err(_) => topic.ends.wake(),
                }
            }
        }
    }
}
