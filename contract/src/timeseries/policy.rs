//! The policy of a namespace: retention, acceptance window, and partitions.

use std::time::Duration;

use super::Limits;
use crate::{Invalid, Timestamp};

/// The policy of a namespace. Time is event time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// An event is live strictly before its time plus this (RET-1); `None`: for ever.
    pub retention: Option<Duration>,
    /// Which times an Append may have.
    pub window: Window,
    /// The number of partitions, 1 to 256, fixed with the first Append.
    pub partitions: u32,
}

impl Policy {
    /// The number of partitions of a namespace that names none.
    pub const PARTITIONS: u32 = 8;
    /// Time that a finite retention must exceed the window's past by: the clocks of gateways differ, and an event must not
    /// expire while its Append is repeated.
    pub const MARGIN: Duration = Duration::from_mins(1);

    /// Checks the policy against itself: what is at fault, and what is allowed.
    ///
    /// # Errors
    /// The field of the policy, and its fault.
    pub fn check(&self) -> Result<(), (&'static str, Invalid)> {
        if !(1..=Limits::PARTITIONS).contains(&self.partitions) {
            let (given, max) = (self.partitions, Limits::PARTITIONS);
            return Err(("partitions", Invalid::new(format!("is {given}; 1 to {max} are allowed"))));
        }
        let Some(retention) = self.retention else { return Ok(()) };
        if retention.is_zero() {
            return Err(("retention", Invalid::new("is 0; omit it to keep events for ever")));
        }
        let margin = Self::MARGIN.as_secs();
        match self.window.past {
            None => Err((
                "accept_past",
                Invalid::new(format!(
                    "is missing; with a retention it has to be set, at least {margin} seconds shorter"
                )),
            )),
            Some(past) if past.saturating_add(Self::MARGIN) > retention => Err((
                "accept_past",
                Invalid::new(format!(
                    "is too long; it has to be at least {margin} seconds shorter than retention"
                )),
            )),
            Some(_) => Ok(()),
        }
    }

    /// Events up to this time have expired at `now`; `None`: none has.
    pub fn expired(&self, now: Timestamp) -> Option<Timestamp> {
        self.retention.map(|retention| now.saturating_sub(retention))
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { retention: None, window: Window::default(), partitions: Self::PARTITIONS }
    }
}

/// The acceptance window: how far before and after `now` an event may lie (ACC-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// `None`: any time in the past.
    pub past: Option<Duration>,
    /// `None`: any time in the future.
    pub future: Option<Duration>,
}

impl Window {
    /// Whether it accepts an event with this time at `now`.
    pub fn accepts(&self, now: Timestamp, time: Timestamp) -> bool {
        self.past.is_none_or(|past| time >= now.saturating_sub(past))
            && self.future.is_none_or(|future| time <= now.saturating_add(future))
    }

    /// The fault of an event outside it.
    pub(super) fn refusal(&self) -> Invalid {
        let side = |span: Option<Duration>| span.map_or("any time".to_owned(), |span| format!("{span:?}"));
        Invalid::new(format!(
            "is outside the acceptance window of this namespace, from {} before the server's time to {} after it",
            side(self.past),
            side(self.future)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }

    #[test]
    fn both_ends_of_a_window_are_inside() {
        let window = Window { past: Some(Duration::from_micros(5)), future: Some(Duration::ZERO) };
        let accepted = [94, 95, 100, 101].map(|time| window.accepts(at(100), at(time)));
        assert_eq!(accepted, [false, true, true, false]);
        assert!(
            Window::default().accepts(at(0), Timestamp::MAX)
                && Window::default().accepts(Timestamp::MAX, at(0))
        );
    }

    #[test]
    fn a_retention_needs_a_shorter_window() {
        let of = |retention: u64, past: Option<u64>| {
            let window = Window { past: past.map(Duration::from_secs), future: None };
            let policy =
                Policy { retention: Some(Duration::from_secs(retention)), window, ..Policy::default() };
            policy.check().map_err(|(field, _)| field)
        };
        assert_eq!(of(100, Some(40)), Ok(()));
        assert_eq!(of(100, Some(41)), Err("accept_past"));
        assert_eq!(of(100, None), Err("accept_past"));
        assert_eq!(of(0, Some(0)), Err("retention"));
        assert_eq!(Policy::default().check(), Ok(()));
        for partitions in [0, 257] {
            let policy = Policy { partitions, ..Policy::default() };
            assert_eq!(policy.check().map_err(|(field, _)| field), Err("partitions"));
        }
    }

    #[test]
    fn an_event_expires_at_its_time_plus_retention() {
        let policy = Policy { retention: Some(Duration::from_micros(10)), ..Policy::default() };
        assert_eq!(policy.expired(at(110)), Some(at(100)));
        assert_eq!(Policy::default().expired(at(110)), None);
    }
}
