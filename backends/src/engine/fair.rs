//! The fair queue in front of a database: bounded, with one queue per namespace, served round robin, so that a namespace
//! with many requests does not delay the others.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prism_contract::{Error, Namespace};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::queue::{closed, shed};
use super::work::{Answered, Entry, Job, ReservedBytes, Work};
use crate::observe::{NamespaceLoad, QueueLoad};

/// Maximum empty per-namespace queues that are kept, to save allocating them again.
const MAX_EMPTY_QUEUES: usize = 64;

/// A fair queue of requests, shared by its producers and its one consumer.
pub(crate) struct FairQueue<T> {
    state: Mutex<State<T>>,
    more: Notify,
    length: usize,
    bytes: usize,
    /// The bytes of all jobs that wait or are being executed.
    used: Arc<AtomicUsize>,
    shed: AtomicU64,
}

impl<T: Entry> FairQueue<T> {
    /// Capacity for `length` waiting requests, and for `bytes` of requests that wait or are being executed.
    pub(crate) fn new(length: usize, bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            more: Notify::new(),
            length,
            bytes,
            used: Arc::default(),
            shed: AtomicU64::default(),
        }
    }

    /// Queues a request, as an entry made by `entry`; the receiver gets its answer. If there is no room, a request of the
    /// namespace that has most waiting is shed: this one, or the newest of another namespace.
    pub(crate) fn enqueue<W: Work>(
        &self,
        request: W,
        weight: usize,
        entry: impl FnOnce(Job<W>) -> T,
    ) -> Result<Answered<W>, Error> {
        let namespace = request.namespace().clone();
        // A request larger than the capacity takes all of it; otherwise it could never be queued.
        let bytes = weight.min(self.bytes);
        let mut evicted = Vec::new();
        let answered = {
            let mut state = self.state();
            if state.closed {
                return Err(closed());
            }
            loop {
                let excess = if state.count >= self.length {
                    Excess::Jobs
                } else if self.used.load(Ordering::Relaxed) + bytes > self.bytes {
                    Excess::Bytes
                } else {
                    break;
                };
                let evictee = state.evict(excess, &namespace, bytes);
                self.count_shed();
                let Some(job) = evictee else { return Err(shed()) };
                // Its bytes are free from here on; its caller is answered after the lock is released.
                evicted.push(job.refuse(shed()));
            }
            let (job, answered) = Job::new(request, ReservedBytes::reserve(bytes, &self.used));
            state.push(&namespace, entry(job), bytes);
            answered
        };
        self.more.notify_one();
        for answer in evicted {
            answer();
        }
        Ok(answered)
    }

    /// Takes jobs round robin while `accept` returns true for the next one, and drops abandoned jobs.
    pub(crate) fn take_while(&self, mut accept: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        let mut state = self.state();
        while let Some(job) = state.next() {
            if job.is_abandoned() {
                drop(state.pop());
            } else if accept(job) {
                taken.extend(state.pop());
            } else {
                break;
            }
        }
        taken
    }

    /// Takes the first job, in round-robin order, that `may_run` accepts, and drops abandoned jobs.
    pub(crate) fn take_first(&self, mut may_run: impl FnMut(&T) -> bool) -> Option<T> {
        let mut state = self.state();
        let mut position = 0;
        while let Some(job) = state.at(position) {
            if job.is_abandoned() {
                drop(state.pop_at(position));
            } else if may_run(job) {
                return state.pop_at(position);
            } else {
                position += 1;
            }
        }
        None
    }

    /// Counts a request that is shed.
    pub(crate) fn count_shed(&self) {
        self.shed.fetch_add(1, Ordering::Relaxed);
    }

    /// The load of the queue, with at most so many of its namespaces.
    pub(crate) fn load(&self, queue: &'static str, namespaces: usize) -> QueueLoad {
        let now = Instant::now();
        let (waiting, mut loads) = {
            let state = self.state();
            (state.count as u64, state.loads(now))
        };
        loads.sort_unstable_by(|one, other| {
            (other.waiting, &one.namespace).cmp(&(one.waiting, &other.namespace))
        });
        loads.truncate(namespaces);
        QueueLoad { queue, waiting, shed: self.shed.load(Ordering::Relaxed), namespaces: loads }
    }

    /// Whether the queue is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.state().count == 0
    }

    /// Whether the queue is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Waits until a job may have been queued, or the queue was closed. Only one task may wait.
    pub(crate) async fn changed(&self) {
        self.more.notified().await;
    }

    /// Refuses further requests; waiting ones can still be taken.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.more.notify_one();
    }

    /// Refuses further requests, and drops the waiting ones.
    pub(crate) fn abandon(&self) {
        self.close();
        let dropped = self.state().clear();
        drop(dropped);
    }

    /// A std mutex: never held across an await, and no panic can leave it half changed.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queue per namespace, and the round-robin order.
struct State<T> {
    queues: HashMap<Namespace, NamespaceQueue<T>>,
    /// The namespaces with waiting jobs, each once; the next is in front.
    order: VecDeque<Namespace>,
    count: usize,
    closed: bool,
}

struct NamespaceQueue<T> {
    jobs: VecDeque<Waiting<T>>,
    bytes: usize,
}

/// A waiting job.
struct Waiting<T> {
    job: T,
    bytes: usize,
    since: Instant,
}

/// The limit that is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excess {
    Jobs,
    Bytes,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self { queues: HashMap::new(), order: VecDeque::new(), count: 0, closed: false }
    }
}

impl<T> State<T> {
    fn push(&mut self, namespace: &Namespace, job: T, bytes: usize) {
        self.count += 1;
        let waiting = Waiting { job, bytes, since: Instant::now() };
        if let Some(queue) = self.queues.get_mut(namespace) {
            if queue.jobs.is_empty() {
                self.order.push_back(namespace.clone());
            }
            queue.jobs.push_back(waiting);
            queue.bytes += bytes;
            return;
        }
        if self.queues.len() >= self.order.len() + MAX_EMPTY_QUEUES {
            self.queues.retain(|_, queue| !queue.jobs.is_empty());
        }
        self.order.push_back(namespace.clone());
        self.queues.insert(namespace.clone(), NamespaceQueue { jobs: VecDeque::from([waiting]), bytes });
    }

    /// The next job.
    fn next(&self) -> Option<&T> {
        self.at(0)
    }

    /// The first job of the namespace at this position of the order.
    fn at(&self, position: usize) -> Option<&T> {
        Some(&self.queues.get(self.order.get(position)?)?.jobs.front()?.job)
    }

    /// Takes the next job; its namespace goes to the end of the order.
    fn pop(&mut self) -> Option<T> {
        self.pop_at(0)
    }

    /// Takes the first job of the namespace at this position of the order.
    fn pop_at(&mut self, position: usize) -> Option<T> {
        let namespace = self.order.remove(position)?;
        let queue = self.queues.get_mut(&namespace)?;
        let Waiting { job, bytes, .. } = queue.jobs.pop_front()?;
        queue.bytes -= bytes;
        if !queue.jobs.is_empty() {
            self.order.push_back(namespace);
        }
        self.count -= 1;
        Some(job)
    }

    /// Evicts the newest job of the namespace with the largest load of the exceeded kind, if that is more than `newcomer`
    /// would have with a job of `bytes`.
    fn evict(&mut self, excess: Excess, newcomer: &Namespace, bytes: usize) -> Option<T> {
        let load = |queue: &NamespaceQueue<T>| match excess {
            Excess::Jobs => queue.jobs.len(),
            Excess::Bytes => queue.bytes,
        };
        let own = self.queues.get(newcomer).map_or(0, load) + if excess == Excess::Jobs { 1 } else { bytes };
        let loads = self.order.iter().map(|namespace| self.queues.get(namespace).map_or(0, load));
        let (at, most) = loads.enumerate().max_by_key(|(_, load)| *load)?;
        if most <= own {
            return None;
        }
        let queue = self.queues.get_mut(self.order.get(at)?)?;
        let Waiting { job, bytes, .. } = queue.jobs.pop_back()?;
        queue.bytes -= bytes;
        if queue.jobs.is_empty() {
            self.order.remove(at);
        }
        self.count -= 1;
        Some(job)
    }

    /// The waiting jobs of each namespace that has any.
    fn loads(&self, now: Instant) -> Vec<NamespaceLoad> {
        let load = |namespace: &Namespace| {
            let jobs = &self.queues.get(namespace)?.jobs;
            let oldest = now.saturating_duration_since(jobs.front()?.since);
            Some(NamespaceLoad { namespace: namespace.clone(), waiting: jobs.len() as u64, oldest })
        };
        self.order.iter().filter_map(load).collect()
    }

    /// Removes all waiting jobs.
    fn clear(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.pop()).collect()
    }
}

#[cfg(test)]
mod tests {
    use prism_contract::Code;

    use super::*;

    /// A number with a namespace.
    struct Number(Namespace, u32);

    impl Work for Number {
        type Answer = ();

        fn namespace(&self) -> &Namespace {
            &self.0
        }
    }

    type Numbers = FairQueue<Job<Number>>;
    type Answer = Answered<Number>;

    fn enqueue(queue: &Numbers, namespace: &str, number: u32, weight: usize) -> Result<Answer, Code> {
        let number = Number(Namespace::new(namespace).unwrap(), number);
        queue.enqueue(number, weight, |job| job).map_err(|error| error.code())
    }

    fn take(queue: &Numbers, most: usize) -> Vec<u32> {
        let mut left = most;
        let more = |_: &Job<Number>| left.checked_sub(1).inspect(|less| left = *less).is_some();
        queue.take_while(more).into_iter().map(|job| job.request.1).collect()
    }

    fn was_shed(answered: &mut Answer) -> bool {
        matches!(answered.try_recv(), Ok(Err(Error::ResourceExhausted(_))))
    }

    #[test]
    fn namespaces_are_served_round_robin_however_many_requests_one_has() {
        let queue = Numbers::new(10, 100);
        let _kept: Vec<_> = [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("a", 5), ("c", 6), ("b", 7)]
            .map(|(namespace, number)| enqueue(&queue, namespace, number, 1).unwrap())
            .into();
        assert_eq!(take(&queue, 2), [1, 4]);
        assert_eq!(take(&queue, 10), [6, 2, 7, 3, 5], "the order continues where it was");
        assert!(queue.is_empty());
    }

    #[test]
    fn the_namespace_with_most_waiting_is_evicted_from() {
        let queue = Numbers::new(3, 100);
        let mut first: Vec<_> = (1..=3).map(|number| enqueue(&queue, "a", number, 1).unwrap()).collect();
        assert_eq!(enqueue(&queue, "a", 4, 1).unwrap_err(), Code::ResourceExhausted);
        let _other = enqueue(&queue, "b", 5, 1).unwrap();
        assert!(was_shed(&mut first[2]), "the newest of the namespace that floods");
        assert_eq!(enqueue(&queue, "b", 6, 1).unwrap_err(), Code::ResourceExhausted, "both have half");
        assert_eq!(take(&queue, 9), [1, 5, 2]);
    }

    #[test]
    fn bytes_are_shared_like_slots_and_released_when_a_job_is_done() {
        let queue = Numbers::new(10, 100);
        let mut large = enqueue(&queue, "a", 1, 90).unwrap();
        let _small = enqueue(&queue, "b", 2, 20).unwrap();
        assert!(was_shed(&mut large));
        let _huge = enqueue(&queue, "b", 3, 1_000).unwrap_err();
        assert_eq!(take(&queue, 1), [2]);
        let _huge = enqueue(&queue, "b", 4, 1_000).expect("a request above the capacity is queued alone");
        let job = queue.take_while(|_| true);
        assert_eq!(
            enqueue(&queue, "c", 5, 1).unwrap_err(),
            Code::ResourceExhausted,
            "the job is being executed"
        );
        drop(job);
        enqueue(&queue, "c", 6, 1).unwrap();
    }

    #[test]
    fn abandoned_jobs_are_dropped() {
        let queue = Numbers::new(10, 100);
        let _kept = enqueue(&queue, "a", 1, 1).unwrap();
        drop(enqueue(&queue, "a", 2, 1).unwrap());
        assert_eq!(take(&queue, 9), [1]);
    }

    #[test]
    fn a_closed_queue_refuses_requests_and_an_abandoned_one_drops_the_waiting_ones() {
        let queue = Numbers::new(10, 100);
        let mut kept = enqueue(&queue, "a", 1, 1).unwrap();
        queue.close();
        assert_eq!(enqueue(&queue, "a", 2, 1).unwrap_err(), Code::Unavailable);
        assert!(matches!(kept.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Empty)));
        queue.abandon();
        assert!(matches!(kept.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Closed)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_load_lists_the_namespaces_with_most_waiting_and_counts_what_was_shed() {
        let queue = Numbers::new(4, 100);
        let mut kept = vec![enqueue(&queue, "a", 1, 1).unwrap()];
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        for (namespace, number) in [("b", 2), ("b", 3), ("c", 4)] {
            kept.push(enqueue(&queue, namespace, number, 1).unwrap());
        }
        enqueue(&queue, "b", 5, 1).unwrap_err();
        kept.push(enqueue(&queue, "d", 6, 1).unwrap());
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        let load = queue.load("write", 2);
        let namespaces: Vec<_> = load.namespaces.iter().map(|load| load.namespace.as_str()).collect();
        let oldest = load.namespaces[0].oldest.as_secs();
        assert_eq!((load.queue, load.waiting, load.shed), ("write", 4, 2));
        assert_eq!((namespaces, load.namespaces[0].waiting, oldest), (vec!["a", "b"], 1, 3));
    }

    #[test]
    fn few_empty_queues_are_kept() {
        let queue = Numbers::new(10, 100);
        for number in 0..1_000 {
            let _answer = enqueue(&queue, &format!("n{number}"), number, 1).unwrap();
            assert_eq!(take(&queue, 1), [number]);
        }
        assert!(queue.state().queues.len() <= MAX_EMPTY_QUEUES + 1);
    }
}
