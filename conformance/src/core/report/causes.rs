//! Likely causes of a failure: the seeded bugs on which the same cases fail.

use super::{CaseOutcome, CaseReport};
use crate::core::Contract;
use crate::core::mutation::{Mutant, likely_causes};

/// Maximum number of likely causes per failure.
const MAX_CAUSES: usize = 3;

/// Sets the likely causes of each failure, based on all failures of the run, and returns those of all failures together.
pub(super) fn name(contract: Contract, cases: &mut [CaseReport]) -> Vec<String> {
    let failed: Vec<_> =
        cases.iter().filter(|case| case.outcome == CaseOutcome::Failed).map(|case| case.id).collect();
    if failed.len() < 2 {
        return Vec::new();
    }
    for case in cases.iter_mut().filter(|case| case.outcome == CaseOutcome::Failed) {
        case.likely_causes = of_case(contract, case, &failed);
    }
    lines(likely_causes(contract, &failed).into_iter().map(|(mutant, _)| mutant))
}

/// The seeded bugs on which this case fails too, those most similar to the whole run first. Random cases are not recorded:
/// their causes are the bugs similar to the rest of the run, or, if nothing else failed, those that break a rule named by
/// the failure.
pub(super) fn of_case(contract: Contract, case: &CaseReport, failed: &[&str]) -> Vec<String> {
    let recorded = (contract.kill_matrix)();
    let similar = likely_causes(contract, failed);
    if recorded.records(case.id) {
        let here = similar.into_iter().filter(|(mutant, _)| recorded.fails(mutant.name, case.id));
        return lines(here.map(|(mutant, _)| mutant));
    }
    if similar.is_empty() {
        let named = case.rules_named(contract);
        return lines(
            (contract.mutants)()
                .into_iter()
                .filter(|mutant| mutant.breaks.iter().any(|rule| named.contains(rule))),
        );
    }
    lines(similar.into_iter().map(|(mutant, _)| mutant))
}

fn lines<'a>(causes: impl Iterator<Item = &'a Mutant>) -> Vec<String> {
    let line = |mutant: &Mutant| {
        format!("{}: {} (breaks {})", mutant.name, mutant.description, mutant.breaks.join(", "))
    };
    causes.take(MAX_CAUSES).map(line).collect()
}
