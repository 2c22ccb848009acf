//! Outcomes of real calls, which decide health together with the checks. Recorded at the end of each call, with a few
//! atomics.
//!
//! A busy backend is not an unavailable one: a check that times out is ignored while calls succeed. And a backend that
//! passes its check is not healthy while every write fails, as on a full disk.
//!
//! No tenant may turn health red for others. A tenant is a caller, or a namespace if callers have no names, and can make
//! its own calls fail with UNAVAILABLE: by writing to a record locked by its own long transaction, or by a request that is
//! too expensive for its deadline. So failures count only while no call of their kind succeeds, and only if they are of two
//! tenants, or if no other tenant was served in the last minute. Calls whose cost a tenant chooses (deletions, Scans and
//! Queries), and Tails, which a drain ends, never count as failures.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::Code;

/// Minimum failures without a success for a kind of call to count as failing.
const MIN_FAILURES: u32 = 3;
/// Failures further apart are unrelated; a tenant served longer ago than this counts as absent.
const RECENT: Duration = Duration::from_mins(1);
/// Failures must last as long as a check may take, but at most this long: a broken connection fails many calls at once.
const MAX_SPAN: Duration = Duration::from_secs(2);

/// The outcomes of ended calls, as evidence about the backend.
#[derive(Default)]
pub(in crate::server) struct Outcomes {
    /// A call has succeeded since the last check.
    answered: AtomicBool,
    reads: Kind,
    writes: Kind,
    /// Notified when a call was UNAVAILABLE, to have the backend checked at once.
    pub(super) recheck: Notify,
}

/// A kind of call, by what it proves about the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Call {
    /// A Put or an Append: it proves that the backend can write.
    Put,
    /// A Get: it proves that the backend can read.
    Get,
    /// Another call: it proves that the backend answers.
    Other,
}

impl Call {
    /// The kind of a method, by path or name.
    pub(in crate::server) fn of(method: &str) -> Self {
        if method.ends_with("/Put") || method.ends_with("/Append") {
            Self::Put
        } else if method.ends_with("/Get") {
            Self::Get
        } else {
            Self::Other
        }
    }
}

#[derive(Default)]
struct Kind {
    /// A call of this kind has succeeded since the last check.
    succeeded: AtomicBool,
    /// Calls of several tenants have succeeded since the last check.
    several: AtomicBool,
    /// The tenant served last.
    tenant: AtomicU64,
    /// Whether there is a streak.
    failing: AtomicBool,
    streak: Mutex<Option<Streak>>,
}

/// Failures since the last success.
#[derive(Debug, Clone, Copy)]
struct Streak {
    first: Instant,
    last: Instant,
    calls: u32,
    tenant: u64,
    several: bool,
}

/// The hash of a tenant's name.
pub(in crate::server) fn tenant(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

impl Outcomes {
    /// Records the outcome of a call. `tenant` is evaluated only if needed.
    pub(in crate::server) fn record(&self, call: Call, code: Code, tenant: impl FnOnce() -> u64) {
        let kind = match call {
            Call::Put => Some(&self.writes),
            Call::Get => Some(&self.reads),
            Call::Other => None,
        };
        match code {
            Code::Ok => {
                set(&self.answered);
                if let Some(kind) = kind {
                    kind.succeeds(tenant());
                }
            }
            Code::Unavailable => {
                if let Some(kind) = kind {
                    kind.fails(tenant(), Instant::now());
                }
                self.recheck.notify_one();
            }
            _ => {}
        }
    }
}

/// Sets a flag, without a write if it is set already: it is shared by calls on all processors.
fn set(flag: &AtomicBool) {
    if !flag.load(Ordering::Relaxed) {
        flag.store(true, Ordering::Relaxed);
    }
}

impl Kind {
    fn streak(&self) -> MutexGuard<'_, Option<Streak>> {
        self.streak.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn succeeds(&self, tenant: u64) {
        if self.tenant.load(Ordering::Relaxed) != tenant {
            self.tenant.store(tenant, Ordering::Relaxed);
            set(&self.several);
        }
        set(&self.succeeded);
        if self.failing.load(Ordering::Relaxed) {
            self.end_streak();
        }
    }

    fn fails(&self, tenant: u64, now: Instant) {
        let mut streak = self.streak();
        self.failing.store(true, Ordering::Relaxed);
        match &mut *streak {
            Some(streak) if now - streak.last < RECENT => {
                streak.last = now;
                streak.calls = streak.calls.saturating_add(1);
                streak.several |= streak.tenant != tenant;
            }
            streak => *streak = Some(Streak { first: now, last: now, calls: 1, tenant, several: false }),
        }
    }

    fn end_streak(&self) {
        let mut streak = self.streak();
        *streak = None;
        self.failing.store(false, Ordering::Relaxed);
    }
}

/// The outcome of a check of the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Passed,
    Failed,
    /// No result in time.
    TimedOut,
}

/// The verdict from a check and the calls that ended meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Serving,
    /// By the check.
    Unavailable,
    /// By the calls: every call of this kind fails.
    Failing(&'static str),
}

/// Reaches a verdict after each check.
pub(super) struct Judge {
    span: Duration,
    reads: Observed,
    writes: Observed,
}

/// The evidence about a kind from earlier checks.
struct Observed {
    several_at: Option<Instant>,
    success_at: Option<Instant>,
    /// Whether its failures turn health red.
    failing: bool,
    /// Time without failures until health turns green again as a trial, since no calls come while it is red.
    retry_after: Duration,
}

/// Minimum and maximum of `retry_after`: it doubles as long as the trials fail.
const RETRY_AFTER: [Duration; 2] = [Duration::from_secs(5), Duration::from_mins(1)];

impl Judge {
    /// A judge for checks at this interval.
    pub(super) fn new(interval: Duration) -> Self {
        let observed =
            || Observed { several_at: None, success_at: None, failing: false, retry_after: RETRY_AFTER[0] };
        Self { span: interval.min(MAX_SPAN), reads: observed(), writes: observed() }
    }

    /// Called when a check begins: only calls that end after this can override it.
    pub(super) fn check_begins(&mut self, outcomes: &Outcomes) {
        let now = Instant::now();
        self.reads.update(&outcomes.reads, now);
        self.writes.update(&outcomes.writes, now);
        outcomes.answered.store(false, Ordering::Relaxed);
    }

    pub(super) fn verdict(&mut self, check: Check, outcomes: &Outcomes) -> Verdict {
        let now = Instant::now();
        let answered = outcomes.answered.load(Ordering::Relaxed);
        self.reads.update(&outcomes.reads, now);
        let wrote = self.writes.update(&outcomes.writes, now);
        // A failed check outweighs successful reads, which a standby or a replaced database file would serve as well.
        match check {
            Check::Failed if !wrote => return Verdict::Unavailable,
            Check::TimedOut if !answered => return Verdict::Unavailable,
            Check::Passed | Check::Failed | Check::TimedOut => {}
        }
        let writes = self.writes.is_failing(&outcomes.writes, self.span, now);
        let reads = self.reads.is_failing(&outcomes.reads, self.span, now);
        match (writes, reads) {
            (true, _) => Verdict::Failing("writes"),
            (false, true) => Verdict::Failing("reads"),
            (false, false) => Verdict::Serving,
        }
    }
}

impl Observed {
    /// Collects what happened since the last check. Returns whether a call succeeded.
    fn update(&mut self, kind: &Kind, now: Instant) -> bool {
        let succeeded = kind.succeeded.swap(false, Ordering::Relaxed);
        // The very first tenant is not a second one.
        if kind.several.swap(false, Ordering::Relaxed) && self.success_at.is_some() {
            self.several_at = Some(now);
        }
        if succeeded {
            (self.success_at, self.retry_after) = (Some(now), RETRY_AFTER[0]);
        }
        succeeded
    }

    fn is_failing(&mut self, kind: &Kind, span: Duration, now: Instant) -> bool {
        let recent = |at: Option<Instant>| at.is_some_and(|at| now - at < RECENT);
        let Some(streak) = *kind.streak() else {
            self.failing = false;
            return false;
        };
        if self.failing {
            self.failing = now - streak.last < self.retry_after;
            if !self.failing {
                self.retry_after = (self.retry_after * 2).min(RETRY_AFTER[1]);
                kind.end_streak();
            }
            return self.failing;
        }
        let of_all = streak.several
            || !(recent(self.several_at)
                || recent(self.success_at) && kind.tenant.load(Ordering::Relaxed) != streak.tenant);
        self.failing = streak.calls >= MIN_FAILURES && streak.last - streak.first >= span && of_all;
        self.failing
    }
}
