//! Times as spans from now, for people.

use prism_contract::Timestamp;

const SECOND: i64 = 1_000_000;

/// The time from `past` to `now`, in its largest unit, such as `3s`, `5m`, `7h` or `12d`; `0s` for a time to come, as of a
/// server whose clock is ahead.
pub(super) fn age(past: Timestamp, now: Timestamp) -> String {
    let seconds = (now.as_micros().saturating_sub(past.as_micros()) / SECOND).max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_rounded_down_to_its_largest_unit() {
        let age = |seconds: i64| {
            age(Timestamp::EPOCH, Timestamp::from_micros(seconds * SECOND).expect("a valid time"))
        };
        let of = [-5, 0, 59, 60, 3_599, 3_600, 86_399, 86_400, 8_640_000].map(age);
        assert_eq!(of, ["0s", "0s", "59s", "1m", "59m", "1h", "23h", "1d", "100d"]);
    }
}
