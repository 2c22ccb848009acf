//! The id of a record.

use std::fmt;
use std::sync::Arc;

use super::Limits;
use crate::Invalid;
use crate::common::checked_text;

/// A record's id within its namespace: 1–512 bytes of UTF-8 without NUL. Compared byte by byte (RT-4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(Arc<str>);

impl RecordId {
    /// Checks a record id.
    pub fn new(text: impl AsRef<str>) -> Result<Self, Invalid> {
        checked_text(text.as_ref(), 1, Limits::V1.id_bytes as usize).map(|text| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordId({:?})", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_id_is_1_to_512_bytes_without_nul() {
        for good in ["a", " ", "Ünï", &"x".repeat(512), &"é".repeat(256)] {
            assert_eq!(RecordId::new(good).map(|n| n.as_str().to_owned()), Ok(good.to_owned()));
        }
        for bad in ["", "\0", "a\0b", &"x".repeat(513), &"é".repeat(257)] {
            assert!(RecordId::new(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
