//! The optional capabilities of a backend, beyond the core (CAP-1).

use std::fmt;

use serde::Deserialize;

/// An optional capability; the numbers are those of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Capability {
    /// Preconditions of Put and Delete (COND rules).
    ConditionalWrites = 1,
    /// `item_priority_token` above 0 (TOK rules).
    PriorityTokens = 2,
    /// `ttl` of a Put (TTL rules).
    Expiry = 3,
    /// `selection.reverse` (ORD-2).
    Reverse = 4,
    /// A Scan without an id.
    NamespaceScan = 5,
}

impl Capability {
    /// All of them, in the wire's order.
    pub const ALL: [Self; 5] =
        [Self::ConditionalWrites, Self::PriorityTokens, Self::Expiry, Self::Reverse, Self::NamespaceScan];

    /// Its name in the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConditionalWrites => "CONDITIONAL_WRITES",
            Self::PriorityTokens => "PRIORITY_TOKENS",
            Self::Expiry => "EXPIRY",
            Self::Reverse => "REVERSE",
            Self::NamespaceScan => "NAMESPACE_SCAN",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of capabilities.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u8);

impl Capabilities {
    /// The core only.
    pub const NONE: Self = Self(0);
    /// Every capability of the contract.
    pub const ALL: Self = Self(0b11_1110);

    /// This set with `capability` added.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | 1 << capability as u8)
    }

    /// This set with `capability` removed.
    #[must_use]
    pub const fn without(self, capability: Capability) -> Self {
        Self(self.0 & !(1 << capability as u8))
    }

    /// Whether the set has `capability`.
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 & 1 << capability as u8 != 0
    }

    /// The capabilities, in the wire's order.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().filter(move |c| self.contains(*c))
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        capabilities.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_has_each_capability_and_none_has_none() {
        assert_eq!(Capability::ALL.into_iter().collect::<Capabilities>(), Capabilities::ALL);
        assert_eq!(Capabilities::NONE.iter().count(), 0);
        for capability in Capability::ALL {
            let rest = Capabilities::ALL.without(capability);
            assert!(!rest.contains(capability));
            assert_eq!(rest.iter().count(), 4);
        }
    }
}
