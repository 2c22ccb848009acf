//! What must hold of a record before a write takes effect (COND rules).

use std::num::NonZeroI64;

use super::Key;
use crate::Invalid;

/// What a precondition expects of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// No live item; an expired or deleted one is absent (COND-2).
    Absent,
    /// A live item with this version.
    At(NonZeroI64),
}

/// One key and what is expected of it; the key need not be one that the request writes (COND-4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precondition {
    /// The key.
    pub key: Key,
    /// What it must be.
    pub expected: Expected,
}

impl Precondition {
    /// From the wire's numbers: version 0 demands absence, a negative one is refused.
    pub fn new(key: Key, version: i64) -> Result<Self, Invalid> {
        let expected = match NonZeroI64::new(version) {
            None => Expected::Absent,
            Some(version) if version.is_positive() => Expected::At(version),
            Some(_) => return Err(Invalid::new("is negative; 0 (absent) or a version is allowed")),
        };
        Ok(Self { key, expected })
    }

    /// Whether it holds of a key whose live item has `current` (0: absent).
    pub const fn holds(&self, current: i64) -> bool {
        match self.expected {
            Expected::Absent => current == 0,
            Expected::At(version) => current == version.get(),
        }
    }
}
