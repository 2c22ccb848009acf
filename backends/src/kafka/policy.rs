//! What a policy needs for a namespace on Kafka.

use prism_contract::timeseries::{Capabilities, Capability, Policy};

/// What a store on Kafka can do beyond the core. An Append reads nothing, so that it detects no duplicates, and a record is never
/// looked for again, so that none is deleted.
pub const CAPABILITIES: Capabilities =
    Capabilities::NONE.with(Capability::NamespaceTail).with(Capability::Histogram);

/// Checks a policy: what is at fault, and what is allowed.
///
/// # Errors
/// A side of the acceptance window has no bound: events arrive in the order of their Appends, and the window bounds what a Query has
/// to hold to put them in the order of time.
pub fn check_policy(policy: &Policy) -> Result<(), (&'static str, String)> {
    let window = policy.window;
    let sides = [("accept_past", window.past), ("accept_future", window.future)];
    match sides.into_iter().find(|(_, side)| side.is_none()) {
        Some((field, _)) => Err((
            field,
            "is missing; on Kafka both sides of the acceptance window need a bound, such as accept_past: 1h and \
             accept_future: 5m, because a Query holds the events within it"
                .to_owned(),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prism_contract::timeseries::Window;

    use super::*;

    #[test]
    fn a_window_needs_a_bound_on_both_sides() {
        let of = |past: Option<u64>, future: Option<u64>| {
            let window =
                Window { past: past.map(Duration::from_secs), future: future.map(Duration::from_secs) };
            check_policy(&Policy { window, ..Policy::default() }).map_err(|(field, _)| field)
        };
        assert_eq!(of(Some(0), Some(0)), Ok(()));
        assert_eq!(of(None, Some(1)), Err("accept_past"));
        assert_eq!(of(Some(1), None), Err("accept_future"));
    }
}
