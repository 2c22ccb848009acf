//! The numbered rules of the contract.

use serde::Deserialize;

/// How strongly a rule binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A store that breaks it is not conformant.
    Must,
    /// A violation is reported, and the store stays conformant.
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
    /// Its heading, such as `Put`.
    pub area: String,
    /// How strongly it binds.
    pub level: Level,
    /// The text of the rule.
    pub text: String,
    /// The capability whose stores the rule applies to; `None`: every store.
    #[serde(default)]
    pub capability: Option<String>,
    /// Why no black-box test can prove it; `None`: a test can.
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
