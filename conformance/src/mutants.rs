//! The proof of the proof: stores with one wrong line each, which the suite must catch.
//!
//! [`mutants`] is the catalogue. Each [`Mutant`] is the store of `flawed.rs` (a backend) behind `edge.rs` (a gateway),
//! told to forget one thing; told to forget nothing, it is [`sound`] and passes the whole suite. Deliberately absent:
//! flaws that only a raw server can have, such as a crash on malformed bytes.

mod bug;
mod catalogue;
mod edge;
mod flawed;
mod harness;
mod matrix;
mod witness;

pub use catalogue::{Mutant, mutant_by_name, mutants};
pub use harness::{MutantHarness, MutantInstance};
pub use matrix::{
    Depth, KillMatrix, Matrix, Problem, Row, Selftest, WIRE_ONLY, WireOnly, gate, likely_causes, matrix,
    matrix_markdown,
};

use bug::{Bug, Flaw};

/// The store without a flaw, which claims everything.
pub const fn sound() -> MutantHarness {
    MutantHarness::new("Sound", Flaw::NONE)
}

/// The store without a flaw, which claims nothing beyond the core.
pub const fn sound_core() -> MutantHarness {
    MutantHarness::new("SoundCore", Flaw::NONE_OF_A_CORE_STORE)
}

/// Whether this mutant's witness tells it from the store without a flaw; if not, why.
///
/// # Errors
/// Where both answer the same, or a harness fails.
pub async fn witness(mutant: &Mutant) -> Result<(), String> {
    let broken = |stop| format!("{}: the witness broke: {stop:?}", mutant.name);
    let flawed = witness::answers(&mutant.harness(), mutant.witness).await.map_err(broken)?;
    let sound = witness::answers(&mutant.sound(), mutant.witness).await.map_err(broken)?;
    if flawed == sound {
        return Err(format!("{}: its witness shows no difference", mutant.name));
    }
    Ok(())
}
