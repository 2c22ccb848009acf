//! The catalogue of mutants: what each forgets, which rules that breaks, and a witness.

mod guards;
mod reads;
mod systems;
mod values;
mod writes;

use super::witness::Witness;
use super::{Bug, Flaw, MutantHarness};

/// A correct store with one wrong line.
pub struct Mutant {
    /// What it forgets, in a name.
    pub name: &'static str,
    /// What it forgets, in a sentence.
    pub says: &'static str,
    /// The ids of the rules that it breaks.
    pub breaks: &'static [&'static str],
    /// Whether the flaw shows only where operations overlap.
    pub racy: bool,
    /// Whether only a case that goes through a socket can see the flaw.
    pub wire: bool,
    pub(super) bug: Bug,
    pub(super) witness: Witness,
}

impl Mutant {
    const fn racy(mut self) -> Self {
        self.racy = true;
        self
    }

    const fn wire(mut self) -> Self {
        self.wire = true;
        self
    }

    /// Opens stores with this flaw, in this process.
    pub const fn harness(&self) -> MutantHarness {
        MutantHarness::new(self.name, Flaw::of(self.bug))
    }

    /// Opens stores without a flaw that claim what this mutant claims: what to compare it with.
    pub const fn sound(&self) -> MutantHarness {
        if self.bug.shows_in_a_core_store() { super::sound_core() } else { super::sound() }
    }
}

/// A mutant in a table: its flaw, the rules it breaks, what it forgets, its witness.
macro_rules! mutant {
    ($bug:ident, $breaks:expr, $says:literal, $witness:path) => {
        Mutant {
            name: stringify!($bug),
            says: $says,
            breaks: &$breaks,
            racy: false,
            wire: false,
            bug: Bug::$bug,
            witness: |c| Box::pin($witness(c)),
        }
    };
}
use mutant;

/// Every mutant, in the contract's order.
pub fn mutants() -> impl Iterator<Item = &'static Mutant> + Clone {
    [values::MUTANTS, writes::MUTANTS, reads::MUTANTS, guards::MUTANTS, systems::MUTANTS]
        .into_iter()
        .flatten()
}

/// The mutant of this name.
pub fn mutant_by_name(name: &str) -> Option<&'static Mutant> {
    mutants().find(|mutant| mutant.name == name)
}
