//! Outcomes of real calls, which health goes by beside its own checks. They are recorded when a call ends, at the price of a few
//! atomics.
//!
//! A backend that is busy is not away: a check that finds no answer in time means nothing while calls are answered. And one that
//! answers its check is not well while every write fails, as on a full disk.
//!
//! No tenant may turn health red for others. A tenant is a caller, or a namespace where callers have no names, and can make its
//! own calls fail with UNAVAILABLE: by writing to a record that a long transaction of its own has locked, or by a request too
//! heavy for its time. So failures count only as long as no call of their kind succeeds, and only if they are of two tenants, or
//! if no other tenant was served in the last minute. Deletes and Scans, whose cost a tenant chooses, never count as failures.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::Code;

/// Failures without a success that make a kind of call fail.
const ENOUGH: u32 = 3;
/// Failures that lie further apart have nothing to do with each other; a tenant that was last served longer ago is not there.
const RECENT: Duration = Duration::from_mins(1);
/// Failures must go on for as long as a check may take, but not longer than this: a broken connection fails many calls at once.
const MOST_SPAN: Duration = Duration::from_secs(2);

/// What ended calls tell about the backend.
#[derive(Default)]
pub(in crate::server) struct Outcomes {
    /// A call has succeeded since the last look.
    answered: AtomicBool,
    reads: Kind,
    writes: Kind,
    /// Notified when a call was UNAVAILABLE: the backend is to be checked at once.
    pub(super) recheck: Notify,
}

/// A kind of call by what it tells about the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Call {
    /// A Put: it proves that the backend can write.
    Put,
    /// A Get: it proves that the backend can read.
    Get,
    /// Another call: it proves that the backend answers.
    Other,
}

impl Call {
    /// By a method's path or name.
    pub(in crate::server) fn of(method: &str) -> Self {
        if method.ends_with("/Put") {
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
    /// A call of this kind has succeeded since the last look.
    succeeded: AtomicBool,
    /// Calls of several tenants have succeeded since the last look.
    several: AtomicBool,
    /// The tenant that was served last.
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

/// A tenant by its hash.
pub(in crate::server) fn tenant(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

impl Outcomes {
    /// Records how a call ended. `tenant` is asked only where it matters.
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

/// Sets a flag, without writing where it is set: calls on all processors share it.
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

/// How a check of the backend ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Answered,
    Failed,
    /// It had no answer in time.
    GivenUp,
}

/// What health makes of a check and of the calls that ended meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Serving,
    /// The check says so.
    Away,
    /// Calls say so: every call of this kind fails.
    Failing(&'static str),
}

/// Comes to a verdict after each check.
pub(super) struct Judge {
    span: Duration,
    reads: Observed,
    writes: Observed,
}

/// What was seen of a kind at earlier looks.
struct Observed {
    several_at: Option<Instant>,
    success_at: Option<Instant>,
    /// Whether its failures make health red.
    failing: bool,
    /// How long no failure must come until calls are tried again, since none comes while health is red.
    quiet: Duration,
}

/// The first and the longest quiet time: it doubles as long as calls that are tried again fail.
const QUIET: [Duration; 2] = [Duration::from_secs(5), Duration::from_mins(1)];

impl Judge {
    /// A judge of checks that are `interval` apart.
    pub(super) fn new(interval: Duration) -> Self {
        let observed = || Observed { several_at: None, success_at: None, failing: false, quiet: QUIET[0] };
        Self { span: interval.min(MOST_SPAN), reads: observed(), writes: observed() }
    }

    /// What to do when a check begins: only calls that end after it count against it.
    pub(super) fn check_begins(&mut self, outcomes: &Outcomes) {
        let now = Instant::now();
        self.reads.look(&outcomes.reads, now);
        self.writes.look(&outcomes.writes, now);
        outcomes.answered.store(false, Ordering::Relaxed);
    }

    pub(super) fn verdict(&mut self, check: Check, outcomes: &Outcomes) -> Verdict {
        let now = Instant::now();
        let answered = outcomes.answered.load(Ordering::Relaxed);
        self.reads.look(&outcomes.reads, now);
        let wrote = self.writes.look(&outcomes.writes, now);
        // A check that failed says more than reads do, which a standby or a file that was replaced answers as well.
        match check {
            Check::Failed if !wrote => return Verdict::Away,
            Check::GivenUp if !answered => return Verdict::Away,
            Check::Answered | Check::Failed | Check::GivenUp => {}
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
    /// Takes over what happened since the last look: whether a call succeeded.
    fn look(&mut self, kind: &Kind, now: Instant) -> bool {
        let succeeded = kind.succeeded.swap(false, Ordering::Relaxed);
        // The first tenant ever is not another one.
        if kind.several.swap(false, Ordering::Relaxed) && self.success_at.is_some() {
            self.several_at = Some(now);
        }
        if succeeded {
            (self.success_at, self.quiet) = (Some(now), QUIET[0]);
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
            self.failing = now - streak.last < self.quiet;
            if !self.failing {
                self.quiet = (self.quiet * 2).min(QUIET[1]);
                kind.end_streak();
            }
            return self.failing;
        }
        let of_all = streak.several
            || !(recent(self.several_at)
                || recent(self.success_at) && kind.tenant.load(Ordering::Relaxed) != streak.tenant);
        self.failing = streak.calls >= ENOUGH && streak.last - streak.first >= span && of_all;
        self.failing
    }
}
