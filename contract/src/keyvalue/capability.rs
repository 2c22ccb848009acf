//! The optional capabilities of a KeyValue backend, beyond the core (CAP-1).

crate::common::capabilities! {
    /// Preconditions of Put and Delete (COND rules).
    ConditionalWrites = 1, "CONDITIONAL_WRITES";
    /// `item_priority_token` above 0 (TOK rules).
    PriorityTokens = 2, "PRIORITY_TOKENS";
    /// `ttl` of a Put (TTL rules).
    Expiry = 3, "EXPIRY";
    /// `selection.reverse` (ORD-2).
    Reverse = 4, "REVERSE";
    /// A Scan without an id.
    NamespaceScan = 5, "NAMESPACE_SCAN";
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
