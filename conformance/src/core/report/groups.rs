//! Failures grouped by what they have in common, so that one mistake of a server is one entry and not fifty.
//!
//! Failures explained by the same seeded bug belong together, and so do failures with the same divergence. A failure that no
//! bug explains joins the group that has its divergence.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::{CaseOutcome, CaseReport, causes, kind_name};
use crate::core::mutation::Cause;
use crate::core::{Contract, Kind};

/// Failures with one probable cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureGroup {
    /// The seeded bug that explains these failures; `None`: no bug of the suite does.
    pub likely_cause: Option<String>,
    /// The rules that the failures are about.
    pub rules: Vec<&'static str>,
    /// The case to read first: a basic one if there is one, otherwise the one with the shortest transcript.
    pub shown: &'static str,
    /// All failed cases of the group, in the suite's order.
    pub cases: Vec<&'static str>,
    /// Whether these failures have nothing in common, but are of cases that end early where anything else is wrong: random
    /// operations, scenarios and histories. Often they end with the other groups.
    pub is_rest: bool,
    /// Whether a basic case failed, on which many other cases depend: to be mended first.
    pub is_basic: bool,
}

/// What a failure is grouped by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    /// The cause, by its rank.
    Cause(usize),
    /// The divergence: required and observed.
    Divergence(&'a str, &'a str),
}

/// The groups of the failures: groups with a basic case first, then larger ones.
pub(super) fn group(contract: Contract, cases: &[CaseReport], causes: &[Cause]) -> Vec<FailureGroup> {
    let failed: Vec<_> = cases.iter().filter(|case| case.outcome == CaseOutcome::Failed).collect();
    let mut keys: BTreeMap<&str, Key<'_>> = BTreeMap::new();
    for case in &failed {
        if let Some(rank) = causes.iter().position(|cause| cause.explains.contains(case.id)) {
            keys.insert(case.id, Key::Cause(rank));
        }
    }
    // The cause of most failures with the same divergence.
    let mut votes: BTreeMap<Key<'_>, BTreeMap<usize, usize>> = BTreeMap::new();
    for case in &failed {
        if let Some(Key::Cause(rank)) = keys.get(case.id) {
            *votes.entry(divergence(case)).or_default().entry(*rank).or_default() += 1;
        }
    }
    for case in &failed {
        if keys.contains_key(case.id) {
            continue;
        }
        let divergence = divergence(case);
        let elected = votes.get(&divergence).and_then(|votes| votes.iter().max_by_key(|(_, count)| **count));
        let named = case.rules_named(contract);
        let by_rule = || {
            let random = !(contract.kill_matrix)().records(case.id);
            let breaks = |cause: &Cause| cause.mutant.breaks.iter().any(|rule| named.contains(rule));
            causes.iter().position(breaks).filter(|_| random)
        };
        let key = elected.map(|(rank, _)| *rank).or_else(by_rule).map_or(divergence, Key::Cause);
        keys.insert(case.id, key);
    }
    let mut members: BTreeMap<&Key<'_>, Vec<&CaseReport>> = BTreeMap::new();
    for case in &failed {
        members.entry(&keys[case.id]).or_default().push(case);
    }
    let rest = rest_of(&mut members);
    let mut groups: Vec<_> =
        members.into_iter().map(|(key, members)| of(contract, Some(key), &members, causes)).collect();
    groups.sort_by_key(|group| (!group.is_basic, Reverse(group.cases.len()), group.likely_cause.is_none()));
    if !rest.is_empty() {
        groups.push(of(contract, None, &rest, causes));
    }
    groups
}

/// Takes the failures of random operations, scenarios and histories that are alone in their groups, if there are other groups.
fn rest_of<'a>(members: &mut BTreeMap<&Key<'_>, Vec<&'a CaseReport>>) -> Vec<&'a CaseReport> {
    let is_rest = |key: &Key<'_>, cases: &[&CaseReport]| {
        matches!(key, Key::Divergence(..)) && cases.len() == 1 && cases[0].kind != kind_name(Kind::Example)
    };
    if members.iter().all(|(key, cases)| is_rest(key, cases)) {
        return Vec::new();
    }
    let mut rest = Vec::new();
    members.retain(|key, cases| {
        let is_rest = is_rest(key, cases);
        if is_rest {
            rest.append(cases);
        }
        !is_rest
    });
    rest
}

fn divergence(case: &CaseReport) -> Key<'_> {
    let signature = case.signature.as_ref();
    let expected = signature.map(|signature| signature.expected.as_str()).or(case.expected.as_deref());
    let actual = signature.map(|signature| signature.actual.as_str()).or(case.actual.as_deref());
    Key::Divergence(expected.unwrap_or_default(), actual.unwrap_or_default())
}

fn of(contract: Contract, key: Option<&Key<'_>>, members: &[&CaseReport], causes: &[Cause]) -> FailureGroup {
    let cause = match key {
        Some(Key::Cause(rank)) => causes.get(*rank),
        Some(Key::Divergence(..)) | None => None,
    };
    let is_basic = |case: &CaseReport| contract.basics.contains(&case.id);
    // A case that the bug explains comes before one that merely resembles it, an example before random operations.
    let readable = |case: &&&CaseReport| {
        let explained = cause.is_none_or(|cause| cause.explains.contains(case.id));
        let lines = case.transcript.as_deref().map_or(usize::MAX, |text| text.lines().count());
        (!is_basic(case), !explained, case.kind != kind_name(Kind::Example), lines)
    };
    let shown = members.iter().min_by_key(readable).map_or("", |case| case.id);
    let blamed: Vec<_> = members.iter().map(|case| case.blamed_rules(contract)).collect();
    // Rules of single members are those of their case, not of the failure.
    let common = |rule: &&str| match cause {
        Some(cause) => cause.mutant.breaks.contains(rule),
        None => blamed.iter().filter(|rules| rules.contains(rule)).count() * 2 > members.len(),
    };
    let in_order = (contract.requirements)().iter().map(|rule| rule.id.as_str());
    FailureGroup {
        likely_cause: cause.map(|cause| causes::line(cause.mutant)),
        rules: in_order.filter(common).collect(),
        shown,
        cases: members.iter().map(|case| case.id).collect(),
        is_basic: members.iter().any(|case| is_basic(case)),
        is_rest: key.is_none(),
    }
}
