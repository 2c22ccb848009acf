//! What other gateways append: one task asks for the ends of the topics for which Tails wait, however many there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use prism_contract::Namespace;
use tokio::sync::Notify;

use super::Inner;
use super::offsets::At;
use super::registry::Registry;
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
    /// Set when there is a topic to watch.
    is_wanted: Notify,
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

    /// Waits until a namespace has a topic. Few Tails wait so, and not for long.
    pub(super) async fn made(&self, registry: &Registry, namespace: &Namespace) {
        while registry.get(namespace).is_none() {
            tokio::time::sleep(INTERVAL).await;
            // An error is reported by the read that follows.
            if registry.refresh().await.is_err() {
                return;
            }
        }
    }

    /// Wakes all Tails: the store is closed.
    pub(super) fn wake(&self) {
        self.watched().iter().for_each(|topic| topic.ends.wake());
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
                if topics.is_empty() {
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
        // A topic that was made anew, or a longer window.
        if self.registry.refresh().await.is_err() {
            for topic in topics {
                topic.ends.wake();
            }
            return;
        }
        let all: Vec<_> = topics
            .iter()
            .flat_map(|topic| (0..topic.record.partitions).map(move |partition| (topic, partition)))
            .collect();
        for some in all.chunks(ASKED) {
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
                        self.registry.lose(topic);
                        topic.ends.wake();
                    }
                    Err(_) => topic.ends.wake(),
                }
            }
        }
    }
}
