//! Stores with two seeded bugs at once, which show whether the likely causes name both.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{StreamExt, stream};

use super::{Mutant, Observed, Selftest, is_recorded, likely_causes};
use crate::core::linearizability::Dice;
use crate::core::run::{Verdict, run_case};
use crate::core::{Abstraction, Case, Contract, Harness, Mode, Signature};

/// How often the likely causes of stores with two seeded bugs name both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Named {
    /// The number of stores.
    pub pairs: usize,
    /// Both bugs are among the first three causes.
    pub both: usize,
    /// One of the bugs is the first cause.
    pub first: usize,
}

impl Named {
    /// Counts how often both bugs of a pair are named.
    pub fn of(contract: Contract, pairs: &[Pair]) -> Self {
        let mut named = Self { pairs: pairs.len(), ..Self::default() };
        for pair in pairs {
            let causes = likely_causes(contract, &pair.observed);
            let names: Vec<_> = causes.iter().take(3).map(|cause| cause.mutant.name).collect();
            let place = |mutant: &Mutant| names.iter().position(|name| *name == mutant.name);
            let places = pair.mutants.map(place);
            named.both += usize::from(places.iter().all(Option::is_some));
            named.first += usize::from(places.contains(&Some(0)));
        }
        named
    }
}

/// The results of the recorded cases on a store with two seeded bugs.
pub struct Pair {
    /// The bugs.
    pub mutants: [&'static Mutant; 2],
    /// The results.
    pub observed: Observed,
}

/// Runs the recorded cases on `count` stores with two different bugs each, drawn at random from the seed. Draws that no store
/// can show are replaced.
pub async fn pairs<A: Abstraction>(selftest: &Selftest<A>, count: usize) -> Vec<Pair> {
    let mutants = (A::CONTRACT.mutants)();
    let on_the_wire = A::sound().into_iter().map(selftest.reach).any(|harness| harness.mode() == Mode::Wire);
    let mutants: Vec<_> = mutants.into_iter().filter(|mutant| on_the_wire || !mutant.wire).collect();
    let runs = stream::iter(draw::<A>(&mutants, selftest.settings.seed, count)).map(|(mutants, harness)| {
        let (harness, selftest) = ((selftest.reach)(harness), selftest.clone());
        tokio::spawn(async move { Pair { mutants, observed: observe(&harness, &selftest).await } })
    });
    let runs = runs.buffered(selftest.jobs.get());
    runs.map(|pair| pair.expect("running a case does not panic")).collect().await
}

type Drawn<A> = ([&'static Mutant; 2], Arc<dyn Harness<A>>);

fn draw<A: Abstraction>(mutants: &[&'static Mutant], seed: u64, count: usize) -> Vec<Drawn<A>> {
    let possible = mutants.len() * mutants.len().saturating_sub(1) / 2;
    let (mut dice, mut seen, mut drawn) = (Dice::new(seed, 2), BTreeSet::new(), Vec::new());
    while drawn.len() < count && seen.len() < possible {
        let (first, second) = (dice.below(mutants.len()), dice.below(mutants.len()));
        if first >= second || !seen.insert((first, second)) {
            continue;
        }
        let pair = [mutants[first], mutants[second]];
        drawn.extend(A::flawed_twice(pair[0], pair[1]).map(|harness| (pair, harness)));
    }
    drawn
}

async fn observe<A: Abstraction>(harness: &Arc<dyn Harness<A>>, selftest: &Selftest<A>) -> Observed {
    let mut observed = Observed::default();
    let cases: Vec<&'static Case<A>> = A::cases().filter(|case| is_recorded(case)).collect();
    for case in cases {
        match run_case(&**harness, case, selftest.settings).await.verdict {
            Verdict::Failed(divergence) => {
                observed.failed.insert(case.id.to_owned(), Signature::of(&divergence).fingerprint());
            }
            Verdict::Passed => {
                observed.passed.insert(case.id.to_owned());
            }
            Verdict::Inconclusive(_) | Verdict::Broken(_) | Verdict::Skipped(_) => {}
        }
    }
    observed
}
