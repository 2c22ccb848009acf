//! Preconditions of a write (COND rules).

use std::num::NonZeroI64;

use super::Key;
use crate::Invalid;

/// The state that a precondition expects of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// No live item; an expired or deleted one is absent (COND-2).
    Absent,
    /// A live item with this version.
    At(NonZeroI64),
}

/// One key and its expected state; the request need not write the key (COND-4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precondition {
    /// The key.
    pub key: Key,
    /// Its expected state.
    pub expected: Expected,
}

impl Expected {
    /// From the wire's number: 0 requires absence, a negative version is refused.
    pub(super) fn of_version(version: i64) -> Result<Self, Invalid> {
        match NonZeroI64::new(version) {
            None => Ok(Self::Absent),
            Some(version) if version.is_positive() => Ok(Self::At(version)),
            Some(_) => Err(Invalid::new("is negative; 0 (absent) or a version is allowed")),
        }
    }
}

impl Precondition {
    /// From the wire's numbers: version 0 requires absence, a negative version is refused.
    pub fn new(key: Key, version: i64) -> Result<Self, Invalid> {
        Ok(Self { key, expected: Expected::of_version(version)? })
    }

    /// Whether it holds for a key whose live item has version `current` (0: absent).
    pub const fn holds(&self, current: i64) -> bool {
        match self.expected {
            Expected::Absent => current == 0,
            Expected::At(version) => current == version.get(),
        }
    }
}
