//! The catalogue of mutants: what each forgets, and which rules that breaks.

mod guards;
mod reads;
mod systems;
mod values;
mod writes;

use super::{Bug, Flaw, Mutant, MutantHarness};

/// A mutant and its flaw.
struct Seeded {
    mutant: Mutant,
    bug: Bug,
}

impl Seeded {
    const fn racy(mut self) -> Self {
        self.mutant.racy = true;
        self
    }

    const fn wire(mut self) -> Self {
        self.mutant.wire = true;
        self
    }
}

/// A mutant in a table: its flaw, the rules it breaks, what it forgets.
macro_rules! mutant {
    ($bug:ident, $breaks:expr, $says:literal) => {
        Seeded {
            mutant: $crate::core::mutation::Mutant {
                name: stringify!($bug),
                says: $says,
                breaks: &$breaks,
                racy: false,
                wire: false,
            },
            bug: Bug::$bug,
        }
    };
}
use mutant;

fn seeded() -> impl Iterator<Item = &'static Seeded> + Clone {
    [values::MUTANTS, writes::MUTANTS, reads::MUTANTS, guards::MUTANTS, systems::MUTANTS]
        .into_iter()
        .flatten()
}

/// Every mutant, in the contract's order.
pub fn mutants() -> impl Iterator<Item = &'static Mutant> + Clone {
    seeded().map(|seeded| &seeded.mutant)
}

/// The mutant of this name.
pub fn mutant_by_name(name: &str) -> Option<&'static Mutant> {
    mutants().find(|mutant| mutant.name == name)
}

/// Opens stores with this flaw, in this process.
///
/// # Panics
/// If the mutant is not one of the catalogue.
pub fn harness(mutant: &Mutant) -> MutantHarness {
    let seeded = seeded().find(|seeded| seeded.mutant.name == mutant.name);
    MutantHarness::new(mutant.name, Flaw::of(seeded.expect("a mutant of the catalogue").bug))
}
