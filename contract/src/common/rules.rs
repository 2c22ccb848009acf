//! The numbered rules of a contract.

use serde::Deserialize;

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
    pub capability: Option<String>,
    /// Why no test can prove it from outside; `None`: a test can.
    #[serde(default)]
    pub untestable: Option<String>,
    /// Where it can be observed.
    #[serde(default)]
    pub scope: Scope,
}

/// The rules in a TOML file of `[[requirement]]` tables, in its order.
pub(crate) fn parse(file: &str) -> Result<Vec<Requirement>, toml::de::Error> {
    #[derive(Deserialize)]
    struct File {
        requirement: Vec<Requirement>,
    }
    toml::from_str(file).map(|file: File| file.requirement)
}
