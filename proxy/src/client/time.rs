//! Timestamps and durations as text.

use std::time::Duration;

use prism_contract::{Invalid, Timestamp};

const MICROS: i64 = 1_000_000;

/// A timestamp as RFC 3339 in UTC, with no fraction, milliseconds or microseconds, as needed.
pub(super) fn format(at: Timestamp) -> String {
    let micros = at.as_micros();
    let nanos = i32::try_from(micros.rem_euclid(MICROS) * 1_000).expect("less than a second of nanoseconds");
    prost_types::Timestamp { seconds: micros.div_euclid(MICROS), nanos }.to_string()
}

/// Parses RFC 3339 with an offset, such as `2030-01-02T03:04:05.678901Z` or `2030-01-02T03:04:05+01:00`.
pub(super) fn parse(text: &str) -> Result<Timestamp, String> {
    let not_a_time = || "is not a time; RFC 3339 is allowed, such as 2030-01-02T03:04:05.678901Z".to_owned();
    if !has_date_and_offset(text) {
        return Err(not_a_time());
    }
    let prost_types::Timestamp { seconds, nanos } = text.parse().map_err(|_| not_a_time())?;
    if nanos % 1_000 != 0 {
        return Err("is finer than a microsecond; at most six decimal places are allowed".to_owned());
    }
    let micros = seconds.checked_mul(MICROS).and_then(|micros| micros.checked_add(i64::from(nanos / 1_000)));
    let timestamp = micros.map(Timestamp::from_micros).ok_or_else(not_a_time)?;
    timestamp.map_err(Invalid::into_string)
}

/// Refuses bare dates and times without a zone: the parser of `prost_types` accepts them, but their meaning is a guess.
fn has_date_and_offset(text: &str) -> bool {
    let bytes = text.as_bytes();
    let zone_is_utc = matches!(bytes.last(), Some(b'Z' | b'z'));
    let zone_is_offset = bytes.last_chunk::<6>().is_some_and(|[sign, h1, h2, colon, m1, m2]| {
        matches!(sign, b'+' | b'-') && *colon == b':' && [h1, h2, m1, m2].iter().all(|d| d.is_ascii_digit())
    });
    text.is_ascii()
        && bytes.len() >= "2030-01-02T03:04:05Z".len()
        && matches!(bytes[10], b'T' | b't')
        && (zone_is_utc || zone_is_offset)
        && !text.contains(' ')
}

/// Parses a duration, such as `10m`, `1h30m`, `1.5s` or `250ms`. Units are d, h, m, s and ms.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let not_a_duration = || format!("'{text}' is not a duration; write it like 30s, 10m, 1h30m, 7d or 250ms");
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let number_ends = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(not_a_duration)?;
        let (number, unit_on) = rest.split_at(number_ends);
        let unit_ends = unit_on.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(unit_on.len());
        let (unit, after) = unit_on.split_at(unit_ends);
        let span = duration_of(number, unit).ok_or_else(not_a_duration)?;
        sum = sum.checked_add(span).ok_or_else(not_a_duration)?;
        rest = after;
    }
    if text.is_empty() { Err(not_a_duration()) } else { Ok(sum) }
}

fn duration_of(number: &str, unit: &str) -> Option<Duration> {
    let nanos_each: u128 = match unit {
        "d" => 86_400_000_000_000,
        "h" => 3_600_000_000_000,
        "m" => 60_000_000_000,
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() || whole.len() > 15 || fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? };
    let nanos = (whole.parse::<u128>().ok()? * scale + part) * nanos_each / scale;
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanos % 1_000_000_000).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_needs_a_date_a_time_of_day_and_a_zone() {
        let micros = |text| parse(text).map(Timestamp::as_micros);
        assert_eq!(micros("1970-01-01T00:00:01.000002Z"), Ok(1_000_002));
        assert_eq!(micros("1970-01-01T01:00:00+01:00"), Ok(0));
        assert_eq!(micros("1969-12-31T23:59:59.5z"), Ok(-500_000));
        for bad in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01 00:00:00Z",
            "1970-01-01T00:00:00 Z",
            "1970-13-01T00:00:00Z",
            "1970-01-01T00:00:00+01",
            "tomorrow",
            "1970-01-01T00:00:00Zé",
            "1970-01-01T24:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert!(parse(bad).is_err(), "{bad} was accepted as {:?}", parse(bad));
        }
    }

    #[test]
    fn a_time_finer_than_a_microsecond_is_refused() {
        let why = parse("1970-01-01T00:00:00.0000001Z").unwrap_err();
        assert!(why.contains("microsecond"), "{why}");
    }

    #[test]
    fn a_duration_is_one_or_more_numbers_with_units() {
        let millis = |text| parse_duration(text).map(|span| span.as_millis());
        assert_eq!(millis("10m"), Ok(600_000));
        assert_eq!(millis("1h30m"), Ok(5_400_000));
        assert_eq!(millis("1.5s"), Ok(1_500));
        assert_eq!(millis("250ms"), Ok(250));
        assert_eq!(millis("7d"), Ok(604_800_000));
        assert_eq!(millis("0s"), Ok(0));
        for bad in ["", "10", "m", "10 m", "-1s", "1w", "1.2.3s", ".5s", "99999999999999999999d", "1S"] {
            assert!(parse_duration(bad).is_err(), "{bad} was accepted");
        }
    }

    proptest! {
        #[test]
        fn a_formatted_time_parses_as_the_same(micros in -62_135_596_800_000_000..=253_402_300_799_999_999_i64) {
            let at = Timestamp::from_micros(micros).unwrap();
            prop_assert_eq!(parse(&format(at)), Ok(at));
        }
    }
}
