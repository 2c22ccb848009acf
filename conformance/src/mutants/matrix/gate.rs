//! What makes the suite itself fail: a flaw that it does not catch, or catches for no reason.

use std::fmt;

use prism_contract::keyvalue::requirements;
use prism_contract::{Level, Requirement};

use super::{Matrix, Row, WIRE_ONLY};
use crate::Case;
use crate::mutants::{Mutant, mutants};

/// Something wrong with the suite.
pub enum Problem {
    /// No case fails on this mutant.
    Survives(&'static Mutant),
    /// Cases fail on this mutant, but none that proves a rule which it breaks, or random ones alone.
    CaughtByChance(&'static Mutant, Vec<&'static Case>),
    /// No mutant breaks this rule.
    RuleWithoutMutant(&'static Requirement),
    /// Mutants stand for this rule, but no case that cites it fails on any of them.
    RuleUnguarded(&'static Requirement),
    /// A store without a flaw fails this case.
    FalseAlarm(&'static Case, String),
    /// A mutant's witness does not tell it from a store without a flaw.
    Equivalent(&'static Mutant, String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Survives(mutant) => {
                let (name, rules) = (mutant.name, mutant.breaks.join(", "));
                write!(f, "{name} survives: {} No case of {rules} fails.", mutant.says)
            }
            Self::CaughtByChance(mutant, cases) => {
                let cases: Vec<_> = cases.iter().map(|case| case.id).collect();
                let (name, rules) = (mutant.name, mutant.breaks.join(", "));
                write!(
                    f,
                    "{name} breaks {rules}, but is caught only by {}, which cite none",
                    cases.join(", ")
                )
            }
            Self::RuleWithoutMutant(rule) => write!(f, "{} has no mutant: {}", rule.id, rule.text),
            Self::RuleUnguarded(rule) => {
                write!(
                    f,
                    "no case of {} catches a mutant that breaks it first of all: {}",
                    rule.id, rule.text
                )
            }
            Self::FalseAlarm(case, why) => write!(f, "{} fails on a store without a flaw: {why}", case.id),
            Self::Equivalent(_, why) => f.write_str(why),
        }
    }
}

/// Everything that is wrong with the suite, as `matrix` shows it.
pub fn gate(matrix: &Matrix) -> Vec<Problem> {
    let alarms = matrix.false_alarms.iter().map(|(case, why)| Problem::FalseAlarm(case, why.clone()));
    let rules = rules_to_break().filter_map(|rule| of_a_rule(matrix, rule));
    alarms.chain(matrix.rows.iter().flat_map(of_a_mutant)).chain(rules).collect()
}

/// A mutant stands for the rule that it names first: each rule needs one, and a case of its own that catches it.
fn of_a_rule(matrix: &Matrix, rule: &'static Requirement) -> Option<Problem> {
    let stands_for = |mutant: &Mutant| mutant.breaks[0] == rule.id;
    if !mutants().any(stands_for) {
        return Some(Problem::RuleWithoutMutant(rule));
    }
    let mut rows = matrix.rows.iter().filter(|row| stands_for(row.mutant)).peekable();
    rows.peek()?;
    let caught = |row: &Row| row.kills().any(|case| case.proves.contains(&rule.id.as_str()));
    (!rows.any(caught)).then_some(Problem::RuleUnguarded(rule))
}

fn of_a_mutant(row: &Row) -> impl Iterator<Item = Problem> {
    let equivalent = row.equivalent.as_ref().map(|why| Problem::Equivalent(row.mutant, why.clone()));
    let missed = match (row.failed.is_empty(), row.kills().next()) {
        (true, _) => Some(Problem::Survives(row.mutant)),
        (false, None) => Some(Problem::CaughtByChance(row.mutant, row.failed.clone())),
        (false, Some(_)) => None,
    };
    equivalent.into_iter().chain(missed)
}

/// The rules that a store can break.
fn rules_to_break() -> impl Iterator<Item = &'static Requirement> {
    let is_raw = |rule: &Requirement| WIRE_ONLY.iter().any(|wire| wire.rule == rule.id);
    requirements()
        .iter()
        .filter(|rule| rule.level == Level::Must && rule.untestable.is_none())
        .filter(move |rule| !is_raw(rule))
}
