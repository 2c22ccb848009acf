//! Durations and times as on the wire, not validated yet.

use std::time::Duration;

use super::Invalid;

/// A duration, in the form of protobuf's Duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DurationInput {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds of the same sign, less than a second.
    pub nanos: i32,
}

/// A point in time, in the form of protobuf's Timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TimeInput {
    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds after it, 0 to 999,999,999.
    pub nanos: i32,
}

impl DurationInput {
    /// The duration; `None`: it is negative.
    ///
    /// # Errors
    /// Its parts contradict each other.
    pub(crate) fn span(self) -> Result<Option<Duration>, Invalid> {
        let Self { seconds, nanos } = self;
        if nanos.unsigned_abs() >= 1_000_000_000 || (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0) {
            return Err(Invalid::new(
                "is not a valid duration; nanos are less than a second, with the sign of seconds",
            ));
        }
        let parts = (u64::try_from(seconds).ok(), u32::try_from(nanos).ok());
        Ok(if let (Some(seconds), Some(nanos)) = parts { Some(Duration::new(seconds, nanos)) } else { None })
    }
}

impl From<Duration> for DurationInput {
    fn from(duration: Duration) -> Self {
        Self {
            seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
        }
    }
}

impl TimeInput {
    /// Nanoseconds since the epoch, within the years 1970 to 9999.
    pub(crate) fn nanos_since_epoch(self) -> Result<i128, Invalid> {
        /// 10000-01-01T00:00:00Z.
        const END: i64 = 253_402_300_800;
        if !(0..1_000_000_000).contains(&self.nanos) {
            return Err(Invalid::new("is not a valid time; nanos are 0 to 999,999,999"));
        }
        if !(0..END).contains(&self.seconds) {
            return Err(Invalid::new("is outside the years 1970 to 9999"));
        }
        Ok(i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos))
    }
}
