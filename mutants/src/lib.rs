//! Seeded faults of the wrappers (router, encryption, catalog, rates, control plane, audit, masking): each is one wrong
//! decision in the code as shipped, which the tests must catch. `cargo xtask mutants` runs the tests with each of them,
//! and describes them (`xtask/src/mutants/catalogue.rs`): a change of a description rebuilds no crate that has faults.
//!
//! The faults of a store that its clients can see are in `conformance/src/keyvalue/mutants`, as a store of their own. Those
//! here are out of a client's sight, in code that has no double.

/// The environment variable that selects a seeded fault for a process, by its id. Without the prefix `PRISM_`, under which a
/// gateway refuses variables that it does not know.
pub const VARIABLE: &str = "SEEDED_MUTANT";

/// Whether this process has the seeded fault `id`. Without the feature `seeded` it is constantly false, and the compiler removes
/// the fault.
#[cfg(feature = "seeded")]
pub fn seeded(id: &str) -> bool {
    static SELECTED: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var(VARIABLE).ok());
    SELECTED.as_deref() == Some(id)
}

/// Whether this process has the seeded fault `id`: never, since this build has none.
#[cfg(not(feature = "seeded"))]
#[inline]
pub const fn seeded(_: &str) -> bool {
    false
}
