//! Calls per second of each namespace: the generic cell rate algorithm, with one number per namespace and kind of call.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use prism_contract::{Access, Error, Namespace};
use prism_mutants::seeded;
use tokio::time::Instant;

use crate::config;

/// Parts of the table, each with a lock.
const SHARDS: usize = 16;
/// The number of namespaces in a part from which those are removed that have not called for a while.
const MIN_CLEAN: usize = 1_024;

/// The allowed calls of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    reads: Option<Pace>,
    writes: Option<Pace>,
}

/// The pace of one kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pace {
    /// Time per call.
    interval: Duration,
    /// The time that calls may be ahead of their pace: that of a burst less one call.
    ahead: Duration,
}

/// A number of calls per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Calls per second, from 0.001 to 10^9.
    pub per_second: f64,
    /// Calls that may come at once, from 1; `None`: those of a second.
    pub burst: Option<u32>,
}

impl Rate {
    /// These limits; `None`: any number of calls.
    pub fn new(reads: Option<RateLimit>, writes: Option<RateLimit>) -> Self {
        Self { reads: reads.map(Pace::of), writes: writes.map(Pace::of) }
    }

    /// The rate of a rule.
    pub(super) fn of(rate: &config::Rate) -> Self {
        let limit = |per_second| RateLimit { per_second, burst: rate.burst };
        Self::new(rate.reads.map(limit), rate.writes.map(limit))
    }
}

impl Pace {
    fn of(limit: RateLimit) -> Self {
        let interval = Duration::from_secs_f64(1.0 / limit.per_second);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 10^9, and positive"
        )]
        let calls = limit.burst.unwrap_or(limit.per_second.ceil() as u32).max(1);
        let calls = if seeded("rates/ignores-the-burst") { 1 } else { calls };
        Self { interval, ahead: interval.saturating_mul(calls - 1) }
    }
}

/// When the calls so far would have come at their pace, in nanoseconds since the process began; for reads and for writes.
type Spent = [u64; 2];

/// A part of the table.
#[derive(Default)]
struct Shard {
    spent: HashMap<Namespace, Spent>,
    clean_at: usize,
}

/// The calls of all namespaces with a rate. A namespace is forgotten once it may call as if it never had, so the table is
/// bounded by the calls of a burst's time.
#[derive(Default)]
pub(super) struct Rates {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    refused: AtomicU64,
}

impl Rates {
    /// Calls that were refused so far.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Counts a call.
    ///
    /// # Errors
    /// [`Error::ResourceExhausted`] with the time until a call is allowed; it is not counted then.
    pub(super) fn admit(&self, namespace: &Namespace, rate: &Rate, access: Access) -> Result<(), Error> {
        let (pace, kind) = match access {
            Access::Read if seeded("rates/counts-reads-as-writes") => (rate.writes, 1),
            Access::Read => (rate.reads, 0),
            Access::Write => (rate.writes, 1),
            Access::Describe => (None, 0),
        };
        let all = seeded("rates/counts-the-calls-of-other-namespaces").then(|| Namespace::new("all").ok());
        let namespace = all.as_ref().and_then(Option::as_ref).unwrap_or(namespace);
        // The clock is read only if there is a rate.
        pace.map_or(Ok(()), |pace| self.admit_at(namespace, pace, kind, Instant::now()))
    }

    fn admit_at(&self, namespace: &Namespace, pace: Pace, kind: usize, now: Instant) -> Result<(), Error> {
        let now = nanos(now.saturating_duration_since(*START));
        #[expect(clippy::cast_possible_truncation, reason = "only its lowest bits matter")]
        let shard = &self.shards[self.hasher.hash_one(namespace) as usize % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.spent.len() >= shard.clean_at.max(MIN_CLEAN) {
            let keeps_all = seeded("rates/forgets-no-namespace");
            shard.spent.retain(|_, spent| keeps_all || spent.iter().any(|at| *at > now));
            shard.clean_at = shard.spent.len() * 2;
        }
        let spent = &mut shard.spent.entry(namespace.clone()).or_default()[kind];
        let due = (*spent).max(now);
        if seeded("rates/counts-refused-calls") {
            *spent = due + nanos(pace.interval);
        }
        if let Some(wait) = (due - now).checked_sub(nanos(pace.ahead)).filter(|wait| *wait > 0) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Error::ResourceExhausted(Duration::from_nanos(wait)));
        }
        *spent = due + nanos(pace.interval);
        Ok(())
    }
}

/// The time from which a call's moment is counted.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(name: &str) -> Namespace {
        Namespace::new(name).unwrap()
    }

    /// The delay of a call that was refused for its rate.
    fn delay(admitted: Result<(), Error>) -> Option<Duration> {
        match admitted.unwrap_err() {
            Error::ResourceExhausted(delay) => Some(delay),
            _ => None,
        }
    }

    fn rate(reads: f64, burst: u32) -> Rate {
        Rate::of(&config::Rate { reads: Some(reads), writes: None, burst: Some(burst) })
    }

    #[test]
    fn a_burst_is_served_at_once_and_then_one_call_per_interval() {
        let (rates, start) = (Rates::default(), *START + Duration::from_secs(1));
        let pace = rate(10.0, 3).reads.unwrap();
        let call = |name: &str, after: u64| {
            rates.admit_at(&namespace(name), pace, 0, start + Duration::from_millis(after))
        };
        for _ in 0..3 {
            call("a", 0).unwrap();
        }
        assert_eq!(delay(call("a", 30)), Some(Duration::from_millis(70)));
        call("b", 30).unwrap();
        // What was refused is not counted.
        call("a", 100).unwrap();
        assert_eq!(delay(call("a", 100)), Some(Duration::from_millis(100)));
        for _ in 0..3 {
            call("a", 1_000).unwrap();
        }
        assert_eq!(delay(call("a", 1_000)), Some(Duration::from_millis(100)));
    }

    #[test]
    fn writes_without_a_rate_and_descriptions_are_never_refused() {
        let (rates, rate) = (Rates::default(), rate(0.001, 1));
        for access in [Access::Read, Access::Write, Access::Write, Access::Describe, Access::Describe] {
            rates.admit(&namespace("a"), &rate, access).unwrap();
        }
        let refused = delay(rates.admit(&namespace("a"), &rate, Access::Read)).unwrap();
        assert!((900..=1_000).contains(&refused.as_secs()), "{refused:?}");
    }

    #[test]
    fn namespaces_that_have_their_whole_burst_again_are_forgotten() {
        let (rates, pace) = (Rates::default(), rate(1_000.0, 1).reads.unwrap());
        for number in 0..100_000_u32 {
            let now = *START + Duration::from_micros(u64::from(number) * 100);
            rates.admit_at(&namespace(&format!("n{number}")), pace, 0, now).unwrap();
        }
        let kept: usize = rates.shards.iter().map(|shard| shard.lock().unwrap().spent.len()).sum();
        assert!(kept <= SHARDS * (MIN_CLEAN + 1), "{kept} namespaces");
    }
}
