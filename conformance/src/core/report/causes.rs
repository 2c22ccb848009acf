//! What a failure looks like: the seeded bugs on which the same cases fail.

use super::{CaseReport, Outcome};
use crate::core::Contract;
use crate::core::mutation::{Mutant, likely_causes};

/// The most causes that are named.
const CAUSES: usize = 3;

/// Names the likely causes of each failure, now that all failures of the run are known, and answers those of all of them
/// together.
pub(super) fn name(contract: Contract, cases: &mut [CaseReport]) -> Vec<String> {
    let failed: Vec<_> =
        cases.iter().filter(|case| case.outcome == Outcome::Failed).map(|case| case.id).collect();
    if failed.len() < 2 {
        return Vec::new();
    }
    for case in cases.iter_mut().filter(|case| case.outcome == Outcome::Failed) {
        case.likely_causes = of_case(contract, case, &failed);
    }
    told(likely_causes(contract, &failed).into_iter().map(|(mutant, _)| mutant))
}

/// The seeded bugs on which this case fails too, those first that fail the same cases as this run. What random operations
/// find is not recorded: there it is those that are like the rest of the run, and if nothing else failed, those that break
/// the rule that the failure names.
pub(super) fn of_case(contract: Contract, case: &CaseReport, failed: &[&str]) -> Vec<String> {
    let recorded = (contract.kill_matrix)();
    let alike = likely_causes(contract, failed);
    if recorded.records(case.id) {
        let here = alike.into_iter().filter(|(mutant, _)| recorded.fails(mutant.name, case.id));
        return told(here.map(|(mutant, _)| mutant));
    }
    if alike.is_empty() {
        let named = case.rules_named(contract);
        return told(
            (contract.mutants)()
                .into_iter()
                .filter(|mutant| mutant.breaks.iter().any(|rule| named.contains(rule))),
        );
    }
    told(alike.into_iter().map(|(mutant, _)| mutant))
}

fn told<'a>(causes: impl Iterator<Item = &'a Mutant>) -> Vec<String> {
    let line =
        |mutant: &Mutant| format!("{}: {} (breaks {})", mutant.name, mutant.says, mutant.breaks.join(", "));
    causes.take(CAUSES).map(line).collect()
}
