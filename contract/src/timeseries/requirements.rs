//! The numbered rules of TimeSeries' contract, read from `requirements.toml`.

use std::sync::OnceLock;

use crate::Requirement;
use crate::common::parse_requirements;

/// Every rule of the contract, in the contract's order.
///
/// # Panics
/// If the embedded `requirements.toml` does not parse; a test of this crate rules that out.
pub fn requirements() -> &'static [Requirement] {
    static RULES: OnceLock<Vec<Requirement>> = OnceLock::new();
    RULES.get_or_init(|| {
        parse_requirements(include_str!("../../timeseries/requirements.toml"))
            .expect("the embedded requirements.toml parses")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::timeseries::Capability;

    #[test]
    fn every_requirement_has_a_unique_id_and_a_text() {
        let mut seen = HashSet::new();
        for rule in requirements() {
            assert!(seen.insert(&rule.id), "{} is listed twice", rule.id);
            assert!(rule.text.ends_with('.'), "{}: its text is not a sentence", rule.id);
        }
        assert!(seen.len() >= 50, "only {} rules", seen.len());
        let known = Capability::ALL.map(Capability::name);
        for capability in requirements().iter().filter_map(|rule| rule.capability.as_deref()) {
            assert!(known.contains(&capability), "{capability} is not a capability");
        }
    }
}
