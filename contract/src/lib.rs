//! What every Prism backend promises, in types: the trait, the rules, and a reference backend.
//!
//! A backend author implements [`keyvalue::KeyValueBackend`]. Everything a request can get wrong has been refused by
//! [`keyvalue::Edge`] before the backend sees it, so its arguments are valid once built.
//!
//! Deliberately absent: SQL, gRPC, and any clock. Time is an argument of every request.

pub mod keyvalue;
mod requirements;

pub use requirements::{Level, Requirement, Scope, requirements};

/// The version of the written contract that this crate states, as `Describe` publishes it.
pub const CONTRACT_VERSION: &str = "1.0";
