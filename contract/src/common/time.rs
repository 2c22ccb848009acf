//! A timestamp in whole microseconds, the contract's resolution (PUT-5).

use std::fmt;
use std::time::Duration;

use crate::Invalid;

/// Microseconds since 1970-01-01T00:00:00Z, within the years 1 to 9999, the range of a protobuf Timestamp.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// 0001-01-01T00:00:00Z.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// 9999-12-31T23:59:59.999999Z.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// From microseconds since the epoch; refuses years before 1 and after 9999.
    pub fn from_micros(micros: i64) -> Result<Self, Invalid> {
        if (Self::MIN.0..=Self::MAX.0).contains(&micros) {
            Ok(Self(micros))
        } else {
            Err(Invalid::new("is a time outside the years 1 to 9999"))
        }
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This timestamp plus `span`, rounded up to a whole microsecond; `None` past the year 9999.
    pub fn checked_add(self, span: Duration) -> Option<Self> {
        let micros = i64::try_from(span.as_nanos().div_ceil(1_000)).ok()?;
        Self::from_micros(self.0.checked_add(micros)?).ok()
    }

    /// This timestamp plus `span`, or [`Timestamp::MAX`].
    pub fn saturating_add(self, span: Duration) -> Self {
        self.checked_add(span).unwrap_or(Self::MAX)
    }

    /// This timestamp minus `span`, or [`Timestamp::MIN`].
    pub fn saturating_sub(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros).max(Self::MIN.0))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}us", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_rounded_up_to_a_whole_microsecond() {
        let soon = Timestamp::EPOCH.checked_add(Duration::from_nanos(1_001));
        assert_eq!(soon.map(Timestamp::as_micros), Some(2));
    }

    #[test]
    fn no_timestamp_is_past_the_year_9999() {
        assert_eq!(Timestamp::MAX.checked_add(Duration::from_nanos(1)), None);
        assert_eq!(Timestamp::MAX.saturating_add(Duration::MAX), Timestamp::MAX);
        let outside = Err(Invalid::new("is a time outside the years 1 to 9999"));
        assert_eq!(Timestamp::from_micros(Timestamp::MAX.as_micros() + 1), outside);
        assert_eq!(Timestamp::from_micros(Timestamp::MIN.as_micros() - 1), outside);
    }
}
