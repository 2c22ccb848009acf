//! Likely causes of failures: the seeded bugs whose own failures occurred in this run.

use super::{CaseOutcome, CaseReport};
use crate::core::Contract;
use crate::core::mutation::{Cause, Mutant, Observed, likely_causes};

/// Maximum number of likely causes per failure.
const MAX_CAUSES: usize = 3;

/// Sets the likely causes of each failure, based on all results of the run, and returns those of the run.
pub(super) fn name(contract: Contract, cases: &mut [CaseReport]) -> Vec<Cause> {
    let causes = likely_causes(contract, &observed(cases));
    // A bug that no failed case is about cannot say which rule failed.
    let cites = |cause: &Cause, case: &CaseReport| {
        cause.explains.contains(case.id) && cause.mutant.breaks.iter().any(|rule| case.rules.contains(rule))
    };
    let cited: Vec<_> = causes.iter().map(|cause| cases.iter().any(|case| cites(cause, case))).collect();
    for case in cases.iter_mut().filter(|case| case.signature.is_some()) {
        case.likely_causes = of_case(contract, case, &causes);
        let explaining = causes.iter().position(|cause| cause.explains.contains(case.id));
        case.broken = explaining.filter(|at| cited[*at]).map(|at| causes[at].mutant.breaks);
    }
    causes
}

/// The results that likely causes are derived from.
fn observed(cases: &[CaseReport]) -> Observed {
    let mut observed = Observed::default();
    for case in cases {
        if let Some(signature) = &case.signature {
            observed.failed.insert(case.id.to_owned(), signature.fingerprint());
        } else if case.outcome == CaseOutcome::Passed {
            observed.passed.insert(case.id.to_owned());
        }
    }
    observed
}

/// The causes that explain this case. Random cases are not recorded: theirs are the causes of the run that break a rule named
/// by the failure.
fn of_case(contract: Contract, case: &CaseReport, causes: &[Cause]) -> Vec<String> {
    let recorded = (contract.kill_matrix)().records(case.id);
    let named = case.rules_named(contract);
    let explains = |cause: &&Cause| {
        if recorded {
            return cause.explains.contains(case.id);
        }
        cause.mutant.breaks.iter().any(|rule| named.contains(rule))
    };
    causes.iter().filter(explains).map(|cause| line(cause.mutant)).take(MAX_CAUSES).collect()
}

/// A cause as one line.
pub(super) fn line(mutant: &Mutant) -> String {
    format!("{}: {} (breaks {})", mutant.name, mutant.description, mutant.breaks.join(", "))
}
