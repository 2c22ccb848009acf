//! The verdict of a run, and its exit code.

use serde::Serialize;

use super::{CaseOutcome, CaseReport, FailureGroup, RuleReport, RuleVerdict, Target, count, level_name};
use crate::core::plan::{Profile, Selection};
use prism_contract::Level;

/// The verdict of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunVerdict {
    /// Every case that applies to this target has passed, and the target was restarted.
    Conformant,
    /// The same, but the target could not be restarted, so that nothing is known of its durability.
    #[serde(rename = "conformant_durability_not_shown")]
    DurabilityNotShown,
    /// All cases that need no capability have passed; the others were left out by the core profile.
    CoreConformant,
    /// Every case has passed, except for known failures.
    ConformantButForKnownFailures,
    /// The cases selected by `--only` have passed; the rest is not covered.
    Partial,
    /// All cases that ran have passed, but others were left out by `--skip`: no proof of conformance.
    Incomplete,
    /// A case failed, or a known failure has changed.
    NotConformant,
    /// A case was inconclusive.
    Inconclusive,
    /// No case ran.
    NothingRan,
}

impl RunVerdict {
    /// 0 conformant, 1 not, 4 inconclusive or nothing ran. (2 is a usage error, 3 an unreachable target: neither has a
    /// report.)
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Conformant
            | Self::DurabilityNotShown
            | Self::CoreConformant
            | Self::ConformantButForKnownFailures
            | Self::Partial => 0,
            Self::Incomplete | Self::NotConformant => 1,
            Self::Inconclusive | Self::NothingRan => 4,
        }
    }

    /// The display name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Conformant => "conformant",
            Self::DurabilityNotShown => "conformant, durability not shown",
            Self::CoreConformant => "core conformant",
            Self::ConformantButForKnownFailures => "known failures",
            Self::Partial => "partial",
            Self::Incomplete => "incomplete",
            Self::NotConformant => "not conformant",
            Self::Inconclusive => "inconclusive",
            Self::NothingRan => "nothing ran",
        }
    }

    /// The verdict and its sentence.
    pub(super) fn of(
        target: &Target,
        cases: &[CaseReport],
        rules: &[RuleReport],
        groups: &[FailureGroup],
        selection: &Selection,
        problems: &[String],
    ) -> (Self, String) {
        let tally = |outcome: CaseOutcome| cases.iter().filter(|case| case.outcome == outcome).count();
        let ran = cases.iter().filter(|case| !case.outcome.is_skipped()).count();
        let must = |case: &&CaseReport| case.level == level_name(Level::Must) && case.outcome.is_fault();
        let faults = cases.iter().filter(must).count();
        let (left_out, inconclusive) = (tally(CaseOutcome::LeftOut), tally(CaseOutcome::Inconclusive));
        let is_core = selection.profile == Profile::Core && selection.skip.is_empty();

        if ran == 0 {
            return (Self::NothingRan, "No case ran, so nothing is proved.".to_owned());
        }
        if faults > 0 || !problems.is_empty() {
            return (Self::NotConformant, not_conformant(cases, faults, groups, problems));
        }
        if left_out > 0 && selection.only.is_empty() && !is_core {
            let cases = count(left_out, "case");
            return (
                Self::Incomplete,
                format!("Incomplete: --skip left out {cases}, so conformance is not proved."),
            );
        }
        if inconclusive > 0 {
            let sentence = format!("Inconclusive: {} had no result either way.", count(inconclusive, "case"));
            return (Self::Inconclusive, sentence);
        }
        let passed = count(tally(CaseOutcome::Passed), "case");
        if left_out > 0 && !selection.only.is_empty() {
            let sentence = format!("{passed} passed; the cases that were not selected are not covered.");
            return (Self::Partial, sentence);
        }
        conformant(target, cases, rules, left_out > 0)
    }
}

/// The verdict where no MUST case failed: what is proved, and what is not.
fn conformant(
    target: &Target,
    cases: &[CaseReport],
    rules: &[RuleReport],
    is_core: bool,
) -> (RunVerdict, String) {
    let tally = |outcome: CaseOutcome| cases.iter().filter(|case| case.outcome == outcome).count();
    let (known, left_out) = (tally(CaseOutcome::KnownFailure), tally(CaseOutcome::LeftOut));
    let hidden: Vec<_> =
        rules.iter().filter(|rule| rule.verdict == RuleVerdict::NotObservable).map(|rule| rule.id).collect();
    let should = cases.iter().filter(|case| case.outcome.is_fault()).count();
    // A failed SHOULD does not change the verdict, but the sentence must not hide it.
    let exceptions: Vec<_> = [(known, "known failure"), (should, "failed SHOULD case")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| count(number, what))
        .collect();
    let except = match exceptions.as_slice() {
        [] => String::new(),
        exceptions => format!(", except for {}", exceptions.join(" and ")),
    };
    let mut sentence = if is_core {
        let passed = count(tally(CaseOutcome::Passed), "case");
        format!("The core holds: {passed} passed{except}.")
    } else {
        format!("Every case that applies to this target has passed{except}.")
    };
    if is_core {
        let claims = target.claims.join(", ");
        sentence += &format!(" Not looked at: {claims} ({} left out).", count(left_out, "case"));
    }
    if !target.can_restart() {
        sentence += " Durability is not shown, because this target cannot be restarted.";
    }
    if !hidden.is_empty() {
        let rules = count(hidden.len(), "rule");
        sentence += &format!(" Not observable on this target: {rules} ({}).", hidden.join(", "));
    }
    let verdict = match (known, is_core, target.can_restart()) {
        (1.., _, _) => RunVerdict::ConformantButForKnownFailures,
        (0, true, _) => RunVerdict::CoreConformant,
        (0, false, false) => RunVerdict::DurabilityNotShown,
        (0, false, true) => RunVerdict::Conformant,
    };
    (verdict, sentence)
}

fn not_conformant(
    cases: &[CaseReport],
    faults: usize,
    groups: &[FailureGroup],
    problems: &[String],
) -> String {
    let broken = cases.iter().filter(|case| case.outcome == CaseOutcome::Broken).count();
    let passes = cases.iter().filter(|case| case.outcome == CaseOutcome::UnexpectedPass).count();
    let failed = faults - broken.min(faults) - passes.min(faults - broken.min(faults));
    let mut parts = Vec::new();
    if failed > 0 {
        // The rest is no group: its failures have nothing in common.
        let grouped = match groups.iter().filter(|group| !group.is_rest).count() {
            0 | 1 => String::new(),
            groups => format!(", in {groups} groups"),
        };
        parts.push(format!("{} failed{grouped}", count(failed, "case")));
    }
    if broken > 0 {
        parts.push(format!("{} could not run because the harness failed", count(broken, "case")));
    }
    if passes > 0 {
        parts.push(format!("{} passed unexpectedly (known failures)", count(passes, "case")));
    }
    parts.extend(problems.iter().cloned());
    format!("Not conformant: {}.", parts.join("; "))
}

/// The number of cases per outcome. Each case is counted exactly once in `passed`, `failed` or `skipped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Passed cases.
    pub passed: usize,
    /// Failed cases, including known failures, unexpected passes and cases that could not run.
    pub failed: usize,
    /// Cases that did not run or were inconclusive.
    pub skipped: usize,
    /// The known failures among `failed`.
    pub known: usize,
    /// The inconclusive cases among `skipped`.
    pub inconclusive: usize,
}

impl Counts {
    /// Counts cases.
    pub fn of(cases: &[CaseReport]) -> Self {
        let mut counts = Self::default();
        for case in cases {
            match case.outcome {
                CaseOutcome::Passed => counts.passed += 1,
                CaseOutcome::Failed | CaseOutcome::UnexpectedPass | CaseOutcome::Broken => counts.failed += 1,
                CaseOutcome::KnownFailure => {
                    (counts.failed, counts.known) = (counts.failed + 1, counts.known + 1);
                }
                CaseOutcome::Inconclusive => {
                    (counts.skipped, counts.inconclusive) = (counts.skipped + 1, counts.inconclusive + 1);
                }
                CaseOutcome::NotApplicable | CaseOutcome::NotObservable | CaseOutcome::LeftOut => {
                    counts.skipped += 1;
                }
            }
        }
        counts
    }

    /// The last output line of a run. Known failures are counted by themselves.
    pub fn line(self) -> String {
        let Self { passed, known, skipped, .. } = self;
        let failed = self.failed - known;
        match known {
            0 => format!("{passed} passed, {failed} failed, {skipped} skipped"),
            known => format!("{passed} passed, {failed} failed, {known} known, {skipped} skipped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::report::fixture;

    fn verdict(cases: &[CaseReport]) -> (RunVerdict, String) {
        let target = fixture::report().target;
        RunVerdict::of(&target, cases, &[], &[], &Selection::default(), &[])
    }

    #[test]
    fn a_failed_should_is_named_and_does_not_change_the_verdict() {
        let passed = fixture::case("a::b", "A title.", &["PUT-1"], CaseOutcome::Passed);
        let mut failed = fixture::case("a::c", "A title.", &["ERR-7"], CaseOutcome::Failed);
        failed.level = level_name(Level::Should);
        let (found, sentence) = verdict(&[passed.clone(), failed.clone()]);
        let expected = "Every case that applies to this target has passed, except for 1 failed SHOULD case.";
        assert_eq!((found, sentence.as_str()), (RunVerdict::Conformant, expected));
        failed.level = level_name(Level::Must);
        let (found, sentence) = verdict(&[passed, failed]);
        assert_eq!((found, sentence.as_str()), (RunVerdict::NotConformant, "Not conformant: 1 case failed."));
    }

    #[test]
    fn a_target_that_cannot_be_restarted_is_not_plainly_conformant() {
        let passed = [fixture::case("a::b", "A title.", &["PUT-1"], CaseOutcome::Passed)];
        assert_eq!(verdict(&passed).0, RunVerdict::Conformant);
        let target = Target { abilities: Vec::new(), ..fixture::report().target };
        let (found, sentence) = RunVerdict::of(&target, &passed, &[], &[], &Selection::default(), &[]);
        assert_eq!(found, RunVerdict::DurabilityNotShown);
        assert!(sentence.contains("Durability is not shown"), "{sentence}");
    }
}
