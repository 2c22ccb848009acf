//! Mutation testing of the suite: stores with one seeded bug each, which the suite must catch.
//!
//! [`mutants`] is the catalogue. Each [`Mutant`] is the reference backend behind `flawed.rs` (a backend) and `edge.rs` (a
//! gateway) with one flaw; without a flaw it is [`sound`] and passes the whole suite. Deliberately absent: flaws that only a
//! raw server can have.

mod beside;
mod bug;
mod catalogue;
mod disk;
mod edge;
mod flawed;
mod harness;
mod reads;
mod tokens;
mod wire_only;
mod writes;

use std::sync::OnceLock;

use crate::core::mutation::{KillMatrix, Mutant};

pub use catalogue::{harness, harness_of_both, mutant_by_name, mutants};
pub use harness::MutantHarness;
pub use wire_only::WIRE_ONLY;

use bug::{Bug, Flaw};

/// The store without a flaw, with every capability.
pub fn sound() -> MutantHarness {
    harness::open("Sound", Flaw::NONE)
}

/// The store without a flaw, with no capability beyond the core.
pub fn sound_core() -> MutantHarness {
    harness::open("SoundCore", Flaw::NONE_CORE_ONLY)
}

/// The recorded kill matrix.
///
/// # Panics
/// If the embedded file does not parse; the suite's own tests rule that out.
pub fn kill_matrix() -> &'static KillMatrix {
    static RECORDED: OnceLock<KillMatrix> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let text = include_str!("kill-matrix.json");
        KillMatrix::from_json(text).expect("the embedded kill-matrix.json parses")
    })
}
