//! Catalogue of mutants: the flaw of each, and the rules that it breaks.

mod appends;
mod queries;
mod rest;
mod tails;

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
}

/// Table entry of a mutant: its flaw, the rules it breaks, and a description.
macro_rules! mutant {
    ($bug:ident, $breaks:expr, $description:literal) => {
        Seeded {
            mutant: $crate::core::mutation::Mutant {
                name: stringify!($bug),
                description: $description,
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
    [appends::MUTANTS, queries::MUTANTS, tails::MUTANTS, rest::MUTANTS].into_iter().flatten()
}

/// Every mutant, in the contract's order.
pub fn mutants() -> impl Iterator<Item = &'static Mutant> + Clone {
    seeded().map(|seeded| &seeded.mutant)
}

/// The mutant with this name.
pub fn mutant_by_name(name: &str) -> Option<&'static Mutant> {
    mutants().find(|mutant| mutant.name == name)
}

/// Harness for in-process stores with both flaws; `None`: no store can show both, because one needs capabilities that the
/// other must lack.
///
/// # Panics
/// If a mutant is not in the catalogue.
pub fn harness_of_both(first: &Mutant, second: &Mutant) -> Option<MutantHarness> {
    Some(super::harness::open("TwoFlaws", Flaw::both(bug(first), bug(second))?))
}

/// Harness for in-process stores with this flaw.
///
/// # Panics
/// If the mutant is not in the catalogue.
pub fn harness(mutant: &Mutant) -> MutantHarness {
    super::harness::open(mutant.name, Flaw::of(bug(mutant)))
}

fn bug(mutant: &Mutant) -> Bug {
    let seeded = seeded().find(|seeded| seeded.mutant.name == mutant.name);
    seeded.expect("a mutant of the catalogue").bug
}
