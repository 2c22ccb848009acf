//! Shared helpers of the cases: needs, times, and events.

use std::time::Duration;

use prism_contract::Timestamp;
use prism_contract::timeseries::Capability;
use prism_contract::timeseries::request::EventInput;

use crate::core::{Ability, Proof, Stop};
use crate::timeseries::policies::KEPT;
use crate::timeseries::{Ctx, Need, event};

pub(super) const ATOMIC_APPEND: Need = Need::Declares(Capability::AtomicAppend);
pub(super) const DETECTS_DUPLICATES: Need = Need::Declares(Capability::DetectsDuplicates);
pub(super) const EXACT_TAIL: Need = Need::Declares(Capability::ExactTail);
pub(super) const REVERSE: Need = Need::Declares(Capability::Reverse);
pub(super) const NAMESPACE_TAIL: Need = Need::Declares(Capability::NamespaceTail);
pub(super) const LIST_SERIES: Need = Need::Declares(Capability::ListSeries);
pub(super) const HISTOGRAM: Need = Need::Declares(Capability::Histogram);
pub(super) const DELETE: Need = Need::Declares(Capability::Delete);
pub(super) const POLICIES: Need = Need::Ability(Ability::Policies);
pub(super) const OPEN_WINDOWS: Need = Need::Ability(Ability::OpenWindows);
pub(super) const MANUAL_CLOCK: Need = Need::Ability(Ability::ManualClock);
pub(super) const RETENTION: Need = Need::Ability(Ability::Retention);
pub(super) const SWEEP: Need = Need::Ability(Ability::Sweep);
pub(super) const RESTART: Need = Need::Ability(Ability::Restart);
pub(super) const CRASH: Need = Need::Ability(Ability::Crash);
pub(super) const GATEWAYS: Need = Need::Ability(Ability::Gateways);

/// The resolution of the contract's time.
pub(super) const MICRO: Duration = Duration::from_micros(1);

pub(super) const MINUTE: Duration = Duration::from_mins(1);

/// The times of a case: a moment shortly before the server's time, so that any window of a minute accepts them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times(Timestamp);

impl Times {
    /// This many microseconds after the moment.
    pub(super) fn at(self, micros: i64) -> Timestamp {
        let at = self.0.as_micros().saturating_add(micros);
        Timestamp::from_micros(at).unwrap_or(Timestamp::MAX)
    }
}

/// Times that begin ten seconds before the server's time.
pub(super) async fn times(c: &Ctx) -> Result<Times, Stop> {
    Ok(Times(c.now().await?.saturating_sub(Duration::from_secs(10))))
}

/// `count` events `e0000`, `e0001`, … a microsecond apart.
pub(super) fn numbered(times: Times, count: usize) -> Vec<EventInput> {
    (0..count).map(|at| event(times.at(i64::try_from(at).unwrap_or(0)), format!("e{at:04}"))).collect()
}

/// The ids of events.
pub(super) fn ids(events: &[EventInput]) -> Vec<&[u8]> {
    events.iter().map(|event| event.id.as_ref()).collect()
}

/// Series `s` holds exactly these events, in this order.
pub(super) async fn holds(c: &Ctx, expected: &[EventInput]) -> Proof {
    c.query().ok().await?.holds(expected)
}

/// Series `s` under [`KEPT`] holds exactly the events with these ids, in this order.
pub(super) async fn kept(c: &Ctx, expected: &[&str]) -> Proof {
    c.query().under(&KEPT).ok().await?.has_ids(expected)
}

/// The namespace as a violation's path names a field of event number `at` of an Append.
pub(super) fn path(at: usize, field: &str) -> String {
    format!("events[{at}].event.{field}")
}
