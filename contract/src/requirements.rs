//! The numbered rules of the contract, read from `requirements.toml`.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::keyvalue::Capability;

/// How strongly a rule binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A store that breaks it is not conformant.
    Must,
    /// A store that breaks it is told so, and stays conformant.
    Should,
}

/// Where a rule can be observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// On any store, in process too.
    #[default]
    Store,
    /// Only through a gRPC server.
    Wire,
}

/// One numbered rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Its stable name, such as `PUT-3`.
    pub id: String,
    /// The heading it stands under, such as `Put`.
    pub area: String,
    /// How strongly it binds.
    pub level: Level,
    /// The rule's own words.
    pub text: String,
    /// The capability a store must claim for the rule to speak of it; `None`: it speaks of every store.
    #[serde(default)]
    pub capability: Option<Capability>,
    /// Why no test can prove it from outside; `None`: a test can.
    #[serde(default)]
    pub untestable: Option<String>,
    /// Where it can be observed.
    #[serde(default)]
    pub scope: Scope,
}

/// Every rule of the contract, in the contract's order.
///
/// # Panics
/// If the embedded `requirements.toml` does not parse; a test of this crate rules that out.
pub fn requirements() -> &'static [Requirement] {
    #[derive(Deserialize)]
    struct File {
        requirement: Vec<Requirement>,
    }
    static RULES: OnceLock<Vec<Requirement>> = OnceLock::new();
    RULES.get_or_init(|| {
        let file: File = toml::from_str(include_str!("../requirements.toml"))
            .expect("the embedded requirements.toml parses");
        file.requirement
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_requirement_has_an_id_of_its_own_and_a_text() {
        let mut seen = HashSet::new();
        for rule in requirements() {
            assert!(seen.insert(&rule.id), "{} stands twice", rule.id);
            assert!(rule.text.ends_with('.'), "{}: its text is not a sentence", rule.id);
        }
        assert!(seen.len() >= 60, "only {} rules", seen.len());
    }
}
