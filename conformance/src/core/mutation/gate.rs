//! The gate on the suite itself: mutants that it does not catch, or catches only by chance.

use std::fmt;

use prism_contract::{Level, Requirement};

use super::{Matrix, Mutant, Row};
use crate::core::{Abstraction, Case, Contract};

/// A problem of the suite.
pub enum Problem<A: Abstraction> {
    /// No case fails on this mutant.
    Survives(&'static Mutant),
    /// Cases fail on this mutant, but none that proves a broken rule, or only random ones.
    CaughtByChance(&'static Mutant, Vec<&'static Case<A>>),
    /// No mutant breaks this rule.
    RuleWithoutMutant(&'static Requirement),
    /// Mutants break this rule first, but no case that cites it fails on any of them.
    RuleUnguarded(&'static Requirement),
    /// A correct store fails this case.
    FalseAlarm(&'static Case<A>, String),
}

impl<A: Abstraction> fmt::Display for Problem<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Survives(mutant) => {
                let (name, rules) = (mutant.name, mutant.breaks.join(", "));
                write!(f, "{name} survives: {} No case of {rules} fails.", mutant.description)
            }
            Self::CaughtByChance(mutant, cases) => {
                let cases: Vec<_> = cases.iter().map(|case| case.id).collect();
                let (name, rules) = (mutant.name, mutant.breaks.join(", "));
                write!(
                    f,
                    "{name} breaks {rules}, but is caught only by {}, which cite none of these rules",
                    cases.join(", ")
                )
            }
            Self::RuleWithoutMutant(rule) => write!(f, "{} has no mutant: {}", rule.id, rule.text),
            Self::RuleUnguarded(rule) => {
                write!(
                    f,
                    "no case of {} catches a mutant that lists it as its first broken rule: {}",
                    rule.id, rule.text
                )
            }
            Self::FalseAlarm(case, why) => write!(f, "{} fails on a correct store: {why}", case.id),
        }
    }
}

/// All problems of the suite according to `matrix`.
pub fn gate<A: Abstraction>(matrix: &Matrix<A>) -> Vec<Problem<A>> {
    let alarms = matrix.false_alarms.iter().map(|(case, why)| Problem::FalseAlarm(case, why.clone()));
    let rules = rules_to_break(A::CONTRACT).filter_map(|rule| rule_problem(matrix, rule));
    alarms.chain(matrix.rows.iter().filter_map(mutant_problem)).chain(rules).collect()
}

/// A mutant represents the rule that it lists first: each rule needs a mutant, and a case that cites the rule and catches it.
fn rule_problem<A: Abstraction>(matrix: &Matrix<A>, rule: &'static Requirement) -> Option<Problem<A>> {
    let represents = |mutant: &Mutant| mutant.breaks[0] == rule.id;
    if !(A::CONTRACT.mutants)().into_iter().any(represents) {
        return Some(Problem::RuleWithoutMutant(rule));
    }
    let mut rows = matrix.rows.iter().filter(|row| represents(row.mutant)).peekable();
    rows.peek()?;
    let caught = |row: &Row<A>| row.kills().any(|case| case.proves.contains(&rule.id.as_str()));
    (!rows.any(caught)).then_some(Problem::RuleUnguarded(rule))
}

fn mutant_problem<A: Abstraction>(row: &Row<A>) -> Option<Problem<A>> {
    match (row.failed.is_empty(), row.kills().next()) {
        (true, _) => Some(Problem::Survives(row.mutant)),
        (false, None) => {
            Some(Problem::CaughtByChance(row.mutant, row.failed.iter().map(|kill| kill.case).collect()))
        }
        (false, Some(_)) => None,
    }
}

/// The testable MUST rules that a store can break.
fn rules_to_break(contract: Contract) -> impl Iterator<Item = &'static Requirement> {
    let is_raw = move |rule: &Requirement| contract.wire_only.iter().any(|wire| wire.rule == rule.id);
    (contract.requirements)()
        .iter()
        .filter(|rule| rule.level == Level::Must && rule.untestable.is_none())
        .filter(move |rule| !is_raw(rule))
}
