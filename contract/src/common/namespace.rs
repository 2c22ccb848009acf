//! A namespace: the unit of access control, policy and fairness.

use std::fmt;
use std::sync::Arc;

use super::Invalid;

/// A namespace: 1–128 bytes of `[a-z0-9._-]`, starting with a letter or digit. Compared byte by byte (RT-4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// Maximum length of a namespace, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// Checks a namespace.
    pub fn new(text: impl AsRef<str>) -> Result<Self, Invalid> {
        let text = text.as_ref();
        if text.is_empty() || text.len() > Self::MAX_BYTES {
            return Err(Invalid::length(text.len(), 1, Self::MAX_BYTES));
        }
        let valid_start = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if !valid_start || !text.bytes().all(allowed) {
            return Err(Invalid::new(
                "is malformed; a-z, 0-9, '.', '_' and '-' are allowed, starting with a letter or digit",
            ));
        }
        Ok(Self(text.into()))
    }

    /// The namespace of a gateway's own data. Its name, `_prism`, is not valid in a request, so no client can use it.
    pub fn internal() -> Self {
        Self("_prism".into())
    }

    /// Whether it is that of a gateway's own data.
    pub fn is_internal(&self) -> bool {
        // No other one begins so.
        self.0.starts_with('_')
    }

    /// The namespace as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_1_to_128_lowercase_bytes_that_start_with_a_letter_or_digit() {
        for good in ["a", "0", "a.b_c-d", &"x".repeat(128)] {
            assert_eq!(Namespace::new(good).map(|n| n.as_str().to_owned()), Ok(good.to_owned()));
        }
        for bad in ["", ".a", "_a", "-a", "A", "a b", "a/b", "é", "a\0", &"x".repeat(129)] {
            assert!(Namespace::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(Namespace::new(Namespace::internal().as_str()).is_err());
        assert!(Namespace::internal().is_internal() && !Namespace::new("prism").unwrap().is_internal());
    }
}
