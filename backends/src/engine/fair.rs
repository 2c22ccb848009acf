//! What waits in front of a database: bounded, and taken by turns of the namespaces, so that one that asks for much does not
//! keep the others waiting behind it.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prism_contract::{Error, Namespace};
use tokio::sync::Notify;

use super::queue::{closed, shed};
use super::work::{Answered, Entry, Job, Room, Work};

/// How many namespaces that have nothing waiting keep their place, to save making it again.
const RESTING: usize = 64;

/// Requests that wait, shared by those who bring them and the one who takes them.
pub(crate) struct Waiting<T> {
    line: Mutex<Line<T>>,
    more: Notify,
    length: usize,
    bytes: usize,
    /// The bytes of all jobs that wait or are being done.
    used: Arc<AtomicUsize>,
}

impl<T: Entry> Waiting<T> {
    /// Room for `length` requests that wait, and for `bytes` of those that wait or are being done.
    pub(crate) fn new(length: usize, bytes: usize) -> Self {
        Self { line: Mutex::default(), more: Notify::new(), length, bytes, used: Arc::default() }
    }

    /// Lets a request in as `entry` makes it one of those that wait here; its answer comes by the receiver. Where there is no
    /// room for it, one of the namespace that has the most waiting is shed: this one, or the newest of another namespace.
    pub(crate) fn enter<W: Work>(
        &self,
        request: W,
        weight: usize,
        entry: impl FnOnce(Job<W>) -> T,
    ) -> Result<Answered<W>, Error> {
        let namespace = request.namespace().clone();
        // A request heavier than the whole room takes all of it, or it could never come in.
        let bytes = weight.min(self.bytes);
        let mut shed_instead = Vec::new();
        let answered = {
            let mut line = self.line();
            if line.closed {
                return Err(closed());
            }
            loop {
                let excess = if line.count >= self.length {
                    Excess::Jobs
                } else if self.used.load(Ordering::Relaxed) + bytes > self.bytes {
                    Excess::Bytes
                } else {
                    break;
                };
                let Some(job) = line.give_way(excess, &namespace, bytes) else { return Err(shed()) };
                // Its bytes are free from here on; its sender hears of it later.
                shed_instead.push(job.refuse(shed()));
            }
            let (job, answered) = Job::new(request, Room::take(bytes, &self.used));
            line.push(&namespace, entry(job), bytes);
            answered
        };
        self.more.notify_one();
        for answer in shed_instead {
            answer();
        }
        Ok(answered)
    }

    /// Takes jobs by turns of the namespaces for as long as `go_on` says so of the next, and drops what was abandoned.
    pub(crate) fn take_while(&self, mut go_on: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        let mut line = self.line();
        while let Some(job) = line.next() {
            if job.is_abandoned() {
                drop(line.pop());
            } else if go_on(job) {
                taken.extend(line.pop());
            } else {
                break;
            }
        }
        taken
    }

    /// Takes the first job, by turns of the namespaces, that `may` be done now, and drops what was abandoned.
    pub(crate) fn take_first(&self, mut may: impl FnMut(&T) -> bool) -> Option<T> {
        let mut line = self.line();
        let mut turn = 0;
        while let Some(job) = line.at(turn) {
            if job.is_abandoned() {
                drop(line.pop_at(turn));
            } else if may(job) {
                return line.pop_at(turn);
            } else {
                turn += 1;
            }
        }
        None
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.line().count == 0
    }

    /// Whether the queue is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.line().closed
    }

    /// Waits until something may have come in, or the line was closed. Only one may wait.
    pub(crate) async fn changed(&self) {
        self.more.notified().await;
    }

    /// Lets nothing in any more; what waits can still be taken.
    pub(crate) fn close(&self) {
        self.line().closed = true;
        self.more.notify_one();
    }

    /// Lets nothing in any more, and drops what waits.
    pub(crate) fn abandon(&self) {
        self.close();
        let dropped = self.line().clear();
        drop(dropped);
    }

    /// A std mutex: nothing awaits while it is held, and nothing in it panics half way.
    fn line(&self) -> MutexGuard<'_, Line<T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lane for each namespace, and whose turn it is.
struct Line<T> {
    lanes: HashMap<Namespace, Lane<T>>,
    /// The namespaces that have something waiting, each once; the next is in front.
    turns: VecDeque<Namespace>,
    count: usize,
    closed: bool,
}

struct Lane<T> {
    jobs: VecDeque<(T, usize)>,
    bytes: usize,
}

/// What there is too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excess {
    Jobs,
    Bytes,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { lanes: HashMap::new(), turns: VecDeque::new(), count: 0, closed: false }
    }
}

impl<T> Line<T> {
    fn push(&mut self, namespace: &Namespace, job: T, bytes: usize) {
        self.count += 1;
        if let Some(lane) = self.lanes.get_mut(namespace) {
            if lane.jobs.is_empty() {
                self.turns.push_back(namespace.clone());
            }
            lane.jobs.push_back((job, bytes));
            lane.bytes += bytes;
            return;
        }
        if self.lanes.len() >= self.turns.len() + RESTING {
            self.lanes.retain(|_, lane| !lane.jobs.is_empty());
        }
        self.turns.push_back(namespace.clone());
        self.lanes.insert(namespace.clone(), Lane { jobs: VecDeque::from([(job, bytes)]), bytes });
    }

    /// The job whose turn it is.
    fn next(&self) -> Option<&T> {
        self.at(0)
    }

    /// The first job of the namespace with this turn.
    fn at(&self, turn: usize) -> Option<&T> {
        let (job, _) = self.lanes.get(self.turns.get(turn)?)?.jobs.front()?;
        Some(job)
    }

    /// Takes the job whose turn it is; its namespace waits for its next turn.
    fn pop(&mut self) -> Option<T> {
        self.pop_at(0)
    }

    /// Takes the first job of the namespace with this turn.
    fn pop_at(&mut self, turn: usize) -> Option<T> {
        let namespace = self.turns.remove(turn)?;
        let lane = self.lanes.get_mut(&namespace)?;
        let (job, bytes) = lane.jobs.pop_front()?;
        lane.bytes -= bytes;
        if !lane.jobs.is_empty() {
            self.turns.push_back(namespace);
        }
        self.count -= 1;
        Some(job)
    }

    /// The newest job of the namespace that has the most of `what` waiting, if that is more than `newcomer` would have with
    /// a job of `bytes`.
    fn give_way(&mut self, what: Excess, newcomer: &Namespace, bytes: usize) -> Option<T> {
        let load = |lane: &Lane<T>| match what {
            Excess::Jobs => lane.jobs.len(),
            Excess::Bytes => lane.bytes,
        };
        let own = self.lanes.get(newcomer).map_or(0, load) + if what == Excess::Jobs { 1 } else { bytes };
        let loads = self.turns.iter().map(|namespace| self.lanes.get(namespace).map_or(0, load));
        let (at, most) = loads.enumerate().max_by_key(|(_, load)| *load)?;
        if most <= own {
            return None;
        }
        let lane = self.lanes.get_mut(self.turns.get(at)?)?;
        let (job, bytes) = lane.jobs.pop_back()?;
        lane.bytes -= bytes;
        if lane.jobs.is_empty() {
            self.turns.remove(at);
        }
        self.count -= 1;
        Some(job)
    }

    /// Everything that waits.
    fn clear(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.pop()).collect()
    }
}

#[cfg(test)]
mod tests {
    use prism_contract::Code;

    use super::*;

    /// A number of a namespace.
    struct Number(Namespace, u32);

    impl Work for Number {
        type Answer = ();

        fn namespace(&self) -> &Namespace {
            &self.0
        }
    }

    type Numbers = Waiting<Job<Number>>;
    type Answer = Answered<Number>;

    fn enter(waiting: &Numbers, namespace: &str, number: u32, weight: usize) -> Result<Answer, Code> {
        let number = Number(Namespace::new(namespace).unwrap(), number);
        waiting.enter(number, weight, |job| job).map_err(|error| error.code())
    }

    fn take(waiting: &Numbers, most: usize) -> Vec<u32> {
        let mut left = most;
        let more = |_: &Job<Number>| left.checked_sub(1).inspect(|less| left = *less).is_some();
        waiting.take_while(more).into_iter().map(|job| job.request.1).collect()
    }

    fn was_shed(answered: &mut Answer) -> bool {
        matches!(answered.try_recv(), Ok(Err(Error::ResourceExhausted(_))))
    }

    #[test]
    fn namespaces_take_turns_however_much_one_of_them_asks_for() {
        let waiting = Numbers::new(10, 100);
        let _kept: Vec<_> = [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("a", 5), ("c", 6), ("b", 7)]
            .map(|(namespace, number)| enter(&waiting, namespace, number, 1).unwrap())
            .into();
        assert_eq!(take(&waiting, 2), [1, 4]);
        assert_eq!(take(&waiting, 10), [6, 2, 7, 3, 5], "what is left goes on where the turns were");
        assert!(waiting.is_empty());
    }

    #[test]
    fn who_has_the_most_waiting_gives_way() {
        let waiting = Numbers::new(3, 100);
        let mut first: Vec<_> = (1..=3).map(|number| enter(&waiting, "a", number, 1).unwrap()).collect();
        assert_eq!(enter(&waiting, "a", 4, 1).unwrap_err(), Code::ResourceExhausted);
        let _other = enter(&waiting, "b", 5, 1).unwrap();
        assert!(was_shed(&mut first[2]), "the newest of the namespace that floods");
        assert_eq!(enter(&waiting, "b", 6, 1).unwrap_err(), Code::ResourceExhausted, "both have their half");
        assert_eq!(take(&waiting, 9), [1, 5, 2]);
    }

    #[test]
    fn bytes_are_shared_as_places_are_and_given_back_when_a_job_is_done() {
        let waiting = Numbers::new(10, 100);
        let mut large = enter(&waiting, "a", 1, 90).unwrap();
        let _small = enter(&waiting, "b", 2, 20).unwrap();
        assert!(was_shed(&mut large));
        let _huge = enter(&waiting, "b", 3, 1_000).unwrap_err();
        assert_eq!(take(&waiting, 1), [2]);
        let _huge = enter(&waiting, "b", 4, 1_000).expect("what is heavier than the room comes in alone");
        let job = waiting.take_while(|_| true);
        assert_eq!(enter(&waiting, "c", 5, 1).unwrap_err(), Code::ResourceExhausted, "it is being done");
        drop(job);
        enter(&waiting, "c", 6, 1).unwrap();
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_dropped() {
        let waiting = Numbers::new(10, 100);
        let _kept = enter(&waiting, "a", 1, 1).unwrap();
        drop(enter(&waiting, "a", 2, 1).unwrap());
        assert_eq!(take(&waiting, 9), [1]);
    }

    #[test]
    fn a_closed_line_lets_nothing_in_and_an_abandoned_one_drops_what_waits() {
        let waiting = Numbers::new(10, 100);
        let mut kept = enter(&waiting, "a", 1, 1).unwrap();
        waiting.close();
        assert_eq!(enter(&waiting, "a", 2, 1).unwrap_err(), Code::Unavailable);
        assert!(matches!(kept.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Empty)));
        waiting.abandon();
        assert!(matches!(kept.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Closed)));
    }

    #[test]
    fn many_namespaces_leave_little_behind() {
        let waiting = Numbers::new(10, 100);
        for number in 0..1_000 {
            let _answer = enter(&waiting, &format!("n{number}"), number, 1).unwrap();
            assert_eq!(take(&waiting, 1), [number]);
        }
        assert!(waiting.line().lanes.len() <= RESTING + 1);
    }
}
