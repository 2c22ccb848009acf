//! The counts of the busiest namespaces. Clients choose the names of namespaces, so only a configured number has series; the
//! others are counted together, and take their place when they become busier.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use arc_swap::ArcSwap;
use prism_backends::observe::{Distribution, Histogram};
use prism_contract::Namespace;
use tokio::time::Instant;
use tonic::Code;

use super::calls::{CODES, OTHER_NAMESPACES};

/// Time between two comparisons of the namespaces with series and the others.
const INTERVAL: Duration = Duration::from_secs(10);
/// Another namespace takes the place of one with series if it has this many times its calls in an interval, and
const FACTOR: u64 = 2;
/// at least so many: namespaces that are called now and then do not take turns.
const MIN_CALLS: u64 = 10;
/// Namespaces without series whose calls are counted for the comparison, for each with series; and in any case.
const CANDIDATES: usize = 4;
const MIN_CANDIDATES: usize = 64;

/// The calls of namespaces.
pub(super) struct Namespaces {
    most: usize,
    methods: usize,
    /// Those with series.
    busiest: ArcSwap<HashMap<Namespace, Arc<Counts>>>,
    others: Counts,
    state: Mutex<State>,
}

struct State {
    compared_at: Instant,
    /// Calls of namespaces without series in this interval, of a bounded number of them by the algorithm of Misra and Gries: a
    /// call of one more takes one from each, so a count is short by at most all calls over that number.
    candidates: HashMap<Namespace, u64>,
    /// The counts of namespaces that lost their series in the last comparison. A call that looked them up before may still add
    /// to them, so they are added to the others an interval later.
    retired: Vec<Arc<Counts>>,
}

/// The counts of one namespace, or of all others.
pub(super) struct Counts {
    /// By method and status.
    calls: Box<[[AtomicU64; CODES]]>,
    times: Histogram,
    all: AtomicU64,
    /// All, at the last comparison.
    compared: AtomicU64,
}

impl Counts {
    pub(super) fn new(methods: usize) -> Self {
        Self {
            calls: (0..methods).map(|_| std::array::from_fn(|_| AtomicU64::default())).collect(),
            times: Histogram::new(Histogram::MICROS),
            all: AtomicU64::default(),
            compared: AtomicU64::default(),
        }
    }

    /// Counts a call of the method with this index; without its time, if that says nothing.
    pub(super) fn record(&self, method: usize, code: Code, time: Option<Duration>) {
        self.all.fetch_add(1, Ordering::Relaxed);
        self.calls[method][code as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(time) = time {
            self.times.record_time(time);
        }
    }

    /// The calls by method and status, without those that never were.
    pub(super) fn calls(&self) -> impl Iterator<Item = (usize, usize, u64)> {
        self.calls.iter().enumerate().flat_map(|(method, codes)| {
            let count =
                move |(code, count): (usize, &AtomicU64)| (method, code, count.load(Ordering::Relaxed));
            codes.iter().enumerate().map(count).filter(|(_, _, count)| *count > 0)
        })
    }

    /// The times in microseconds.
    pub(super) fn times(&self) -> Distribution {
        self.times.distribution()
    }

    fn add(&self, other: &Self) {
        self.all.fetch_add(other.all.load(Ordering::Relaxed), Ordering::Relaxed);
        for (method, code, count) in other.calls() {
            self.calls[method][code].fetch_add(count, Ordering::Relaxed);
        }
        self.times.add(&other.times());
    }

    /// The calls since the last comparison.
    fn recent(&self) -> u64 {
        self.all.load(Ordering::Relaxed) - self.compared.load(Ordering::Relaxed)
    }
}

impl Namespaces {
    /// Of calls to so many methods; at most `most` namespaces have series.
    pub(super) fn new(most: usize, methods: usize) -> Self {
        Self {
            most,
            methods,
            busiest: ArcSwap::default(),
            others: Counts::new(methods),
            state: Mutex::new(State {
                compared_at: Instant::now(),
                candidates: HashMap::new(),
                retired: Vec::new(),
            }),
        }
    }

    /// Counts a call of a namespace. It may get series by it only if `may_have_series`.
    pub(super) fn record(&self, namespace: &Namespace, may_have_series: bool, count: impl FnOnce(&Counts)) {
        if let Some(counts) = self.busiest.load().get(namespace) {
            return count(counts);
        }
        let is_label = namespace.as_str() == OTHER_NAMESPACES;
        if may_have_series
            && !is_label
            && let Some(counts) = self.offer(namespace)
        {
            return count(&counts);
        }
        count(&self.others);
    }

    /// Offers a namespace for series; returns its counts if it has them now.
    fn offer(&self, namespace: &Namespace) -> Option<Arc<Counts>> {
        // Another call has the lock: this one is not needed for the comparison.
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let busiest = self.busiest.load();
        if let Some(counts) = busiest.get(namespace) {
            return Some(Arc::clone(counts));
        }
        if busiest.len() < self.most {
            let counts = Arc::new(Counts::new(self.methods));
            let mut more = HashMap::clone(&busiest);
            more.insert(namespace.clone(), Arc::clone(&counts));
            self.busiest.store(Arc::new(more));
            return Some(counts);
        }
        state.count(namespace, (self.most * CANDIDATES).max(MIN_CANDIDATES));
        self.compare(&mut state);
        None
    }

    /// Compares the namespaces with series and the others, once per interval.
    fn compare(&self, state: &mut State) {
        if state.compared_at.elapsed() < INTERVAL {
            return;
        }
        state.compared_at = Instant::now();
        for retired in state.retired.drain(..) {
            self.others.add(&retired);
        }
        let mut busiest = HashMap::clone(&self.busiest.load());
        let mut idlest: Vec<_> =
            busiest.iter().map(|(namespace, counts)| (counts.recent(), namespace.clone())).collect();
        idlest.sort_unstable();
        let mut candidates: Vec<_> =
            state.candidates.drain().map(|(namespace, calls)| (calls, namespace)).collect();
        candidates.sort_unstable_by(|one, other| other.cmp(one));
        for ((calls, candidate), (recent, idle)) in candidates.into_iter().zip(idlest) {
            if calls < MIN_CALLS || calls < recent * FACTOR {
                break;
            }
            state.retired.extend(busiest.remove(&idle));
            busiest.insert(candidate, Arc::new(Counts::new(self.methods)));
        }
        for counts in busiest.values() {
            counts.compared.store(counts.all.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.busiest.store(Arc::new(busiest));
    }

    /// The counts of all namespaces with series, and of the others together, in the order of their labels.
    pub(super) fn counts(&self) -> Vec<(String, Arc<Counts>)> {
        let others = Counts::new(self.methods);
        let busiest = {
            let mut state = self.state();
            self.compare(&mut state);
            others.add(&self.others);
            state.retired.iter().for_each(|retired| others.add(retired));
            self.busiest.load_full()
        };
        let named = |(namespace, counts): (&Namespace, &Arc<Counts>)| {
            (namespace.as_str().to_owned(), Arc::clone(counts))
        };
        let mut counts: Vec<_> = busiest.iter().map(named).collect();
        counts.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        if others.all.load(Ordering::Relaxed) > 0 {
            counts.push((OTHER_NAMESPACES.to_owned(), Arc::new(others)));
        }
        counts
    }

    /// A std mutex: never held across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a call of a namespace without series, of at most so many.
    fn count(&mut self, namespace: &Namespace, most: usize) {
        if let Some(calls) = self.candidates.get_mut(namespace) {
            *calls += 1;
            return;
        }
        if self.candidates.len() < most {
            self.candidates.insert(namespace.clone(), 1);
        } else {
            self.candidates.retain(|_, calls| {
                *calls -= 1;
                *calls > 0
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(name: &str) -> Namespace {
        Namespace::new(name).unwrap()
    }

    fn call(namespaces: &Namespaces, name: &str, calls: u64) {
        for _ in 0..calls {
            namespaces
                .record(&namespace(name), true, |counts| counts.record(0, Code::Ok, Some(Duration::ZERO)));
        }
    }

    /// The labels and their calls.
    fn counted(namespaces: &Namespaces) -> Vec<(String, u64)> {
        let calls = |counts: &Counts| counts.calls().map(|(_, _, count)| count).sum();
        namespaces.counts().iter().map(|(label, counts)| (label.clone(), calls(counts))).collect()
    }

    fn expected(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
        counts.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_busier_namespace_takes_the_place_of_the_idlest_and_no_call_is_lost() {
        let namespaces = Namespaces::new(2, 1);
        call(&namespaces, "a", 100);
        call(&namespaces, "b", 10);
        call(&namespaces, "c", 50);
        assert_eq!(counted(&namespaces), expected(&[("a", 100), ("b", 10), ("other", 50)]));
        tokio::time::advance(INTERVAL).await;
        assert_eq!(
            counted(&namespaces),
            expected(&[("a", 100), ("c", 0), ("other", 60)]),
            "b's are of the others"
        );
        call(&namespaces, "c", 5);
        // Of an interval in which c was busier than b, but by less than twice.
        call(&namespaces, "b", 9);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(counted(&namespaces), expected(&[("a", 100), ("c", 5), ("other", 69)]));
        // a has had no call for an interval.
        call(&namespaces, "c", 5);
        call(&namespaces, "b", MIN_CALLS);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(counted(&namespaces), expected(&[("b", 0), ("c", 10), ("other", 179)]));
    }

    #[tokio::test(start_paused = true)]
    async fn many_namespaces_take_bounded_memory_and_do_not_hide_a_busy_one() {
        let namespaces = Namespaces::new(2, 1);
        call(&namespaces, "early", 5);
        call(&namespaces, "first", 5);
        for number in 0..100_000 {
            call(&namespaces, &format!("n{number}"), 1);
            if number % 10 == 0 {
                call(&namespaces, "busy", 1);
            }
        }
        assert!(namespaces.state().candidates.len() <= MIN_CANDIDATES);
        assert_eq!(namespaces.counts().len(), 3);
        tokio::time::advance(INTERVAL).await;
        call(&namespaces, "busy", 1);
        call(&namespaces, "busy", 1);
        let counts = counted(&namespaces);
        assert!(counts.contains(&("busy".to_owned(), 1)), "{counts:?}");
        assert_eq!(counts.iter().map(|(_, calls)| calls).sum::<u64>(), 110_012);
    }

    #[test]
    fn a_namespace_named_like_the_label_of_the_others_and_refused_callers_get_no_series() {
        let namespaces = Namespaces::new(2, 1);
        call(&namespaces, OTHER_NAMESPACES, 1);
        namespaces.record(&namespace("a"), false, |counts| counts.record(0, Code::PermissionDenied, None));
        assert_eq!(counted(&namespaces), expected(&[(OTHER_NAMESPACES, 2)]));
    }

    #[test]
    fn without_room_for_any_all_are_others() {
        let namespaces = Namespaces::new(0, 1);
        call(&namespaces, "a", 3);
        assert_eq!(counted(&namespaces), expected(&[(OTHER_NAMESPACES, 3)]));
    }
}
