//! The verdict on each rule of the contract, from the cases of a run.

use prism_contract::{Requirement, Scope};
use serde::Serialize;

use super::{CaseOutcome, CaseReport, Contract, Target, count, level_name};

/// The verdict of a run on a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleVerdict {
    /// All its cases that apply to this target have passed.
    Proven,
    /// Some of its cases have passed, and others were left out.
    ProvenInPart,
    /// One of its cases failed.
    Failed,
    /// One of its cases failed with a known failure.
    KnownFailing,
    /// A case that would prove it stopped early, at a failure of another rule.
    NotProven,
    /// One of its cases was inconclusive, or could not run.
    Inconclusive,
    /// It is about a capability that this target does not declare.
    NotApplicable,
    /// It cannot be observed on this target or through this transport.
    NotObservable,
    /// It cannot be tested from outside.
    Untestable,
    /// All its cases were left out.
    NotRun,
}

impl RuleVerdict {
    /// All verdicts, most severe first.
    pub const ALL: [Self; 10] = [
        Self::Failed,
        Self::KnownFailing,
        Self::NotProven,
        Self::Inconclusive,
        Self::NotRun,
        Self::ProvenInPart,
        Self::Proven,
        Self::NotObservable,
        Self::NotApplicable,
        Self::Untestable,
    ];

    /// The display name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::ProvenInPart => "proven in part",
            Self::Failed => "failed",
            Self::KnownFailing => "known to fail",
            Self::NotProven => "not proven",
            Self::Inconclusive => "inconclusive",
            Self::NotApplicable => "not applicable",
            Self::NotObservable => "not observable here",
            Self::Untestable => "untestable",
            Self::NotRun => "not run",
        }
    }
}

/// The report of one rule.
#[derive(Debug, Clone, Serialize)]
pub struct RuleReport {
    /// The id, such as `PUT-3`.
    pub id: &'static str,
    /// The heading of its section.
    pub area: &'static str,
    /// `must` or `should`.
    pub level: &'static str,
    /// The text of the rule.
    pub text: &'static str,
    /// The verdict of the run.
    pub verdict: RuleVerdict,
    /// The reason, if the verdict needs one.
    pub reason: Option<String>,
    /// The ids of the cases that prove it.
    pub cases: Vec<&'static str>,
}

impl RuleVerdict {
    /// Whether this target could have proved the rule: not about a capability that it does not declare, and observable on it.
    pub const fn is_provable(self) -> bool {
        match self {
            Self::NotApplicable | Self::NotObservable | Self::Untestable => false,
            Self::Proven
            | Self::ProvenInPart
            | Self::Failed
            | Self::KnownFailing
            | Self::NotProven
            | Self::Inconclusive
            | Self::NotRun => true,
        }
    }
}

/// The number of proven rules, and of those that this target could prove.
pub(super) fn proven(rules: &[RuleReport]) -> (usize, usize) {
    let proven = rules.iter().filter(|rule| rule.verdict == RuleVerdict::Proven).count();
    (proven, rules.iter().filter(|rule| rule.verdict.is_provable()).count())
}

/// The verdict on each rule of the contract, from the cases that prove it.
pub(super) fn judge(contract: Contract, target: &Target, cases: &[CaseReport]) -> Vec<RuleReport> {
    let judged = (contract.requirements)().iter().map(|rule| {
        let about: Vec<_> = cases.iter().filter(|case| case.rules.contains(&rule.id.as_str())).collect();
        let (verdict, reason) = verdict(contract, rule, target, &about);
        RuleReport {
            id: &rule.id,
            area: &rule.area,
            level: level_name(rule.level),
            text: &rule.text,
            verdict,
            reason,
            cases: about.iter().map(|case| case.id).collect(),
        }
    });
    judged.collect()
}

/// The reason why a failed case does not count for this rule.
fn stopped_early(contract: Contract, case: &CaseReport) -> String {
    match case.blamed_rules(contract).as_slice() {
        [] => format!("{} stopped early", case.id),
        rules => format!("{} stopped early, at a failure of {}", case.id, rules.join(", ")),
    }
}

fn verdict(
    contract: Contract,
    rule: &Requirement,
    target: &Target,
    about: &[&CaseReport],
) -> (RuleVerdict, Option<String>) {
    let tally = |outcome: CaseOutcome| about.iter().filter(|case| case.outcome == outcome).count();
    let first = |outcome: CaseOutcome| about.iter().find(|case| case.outcome == outcome);
    let blamed = |outcome: CaseOutcome| {
        let blames = |case: &CaseReport| case.blamed_rules(contract).contains(&rule.id.as_str());
        about.iter().find(|case| case.outcome == outcome && blames(case))
    };
    let why = |outcome: CaseOutcome| first(outcome).and_then(|case| case.reason.clone());
    let passed = tally(CaseOutcome::Passed) + tally(CaseOutcome::UnexpectedPass);
    let left_out = tally(CaseOutcome::LeftOut);

    if let Some(case) = blamed(CaseOutcome::Failed) {
        return (RuleVerdict::Failed, Some(case.id.to_owned()));
    }
    if let Some(case) = blamed(CaseOutcome::KnownFailure) {
        return (RuleVerdict::KnownFailing, Some(case.id.to_owned()));
    }
    if let Some(case) = first(CaseOutcome::Failed).or_else(|| first(CaseOutcome::KnownFailure)) {
        return (RuleVerdict::NotProven, Some(stopped_early(contract, case)));
    }
    if let Some(reason) = why(CaseOutcome::Inconclusive).or_else(|| why(CaseOutcome::Broken)) {
        return (RuleVerdict::Inconclusive, Some(reason));
    }
    if let Some(reason) = &rule.untestable {
        return (RuleVerdict::Untestable, Some(reason.clone()));
    }
    if let Some(capability) = rule.capability.as_deref().filter(|name| !target.claims.contains(name)) {
        return (
            RuleVerdict::NotApplicable,
            Some(format!("{capability} is not declared; the opposite case runs")),
        );
    }
    if left_out > 0 {
        let reason = format!("{} left out", count(left_out, "case"));
        let verdict = if passed > 0 { RuleVerdict::ProvenInPart } else { RuleVerdict::NotRun };
        return (verdict, Some(reason));
    }
    if passed > 0 {
        let hidden = tally(CaseOutcome::NotObservable);
        let reason = why(CaseOutcome::NotObservable);
        let reason =
            reason.map(|why| format!("except for {} that cannot run here: {why}", count(hidden, "case")));
        return (RuleVerdict::Proven, reason);
    }
    if rule.scope == Scope::Wire && !target.is_on_the_wire() {
        return (
            RuleVerdict::NotObservable,
            Some("it is about gRPC, and this target is in process".to_owned()),
        );
    }
    if let Some(reason) = why(CaseOutcome::NotObservable) {
        return (RuleVerdict::NotObservable, Some(reason));
    }
    if let Some(reason) = why(CaseOutcome::NotApplicable) {
        return (RuleVerdict::NotApplicable, Some(reason));
    }
    (RuleVerdict::NotRun, Some("no case of the suite proves it".to_owned()))
}
