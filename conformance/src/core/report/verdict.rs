//! The verdict of a run, and its exit code.

use serde::Serialize;

use super::{CaseOutcome, CaseReport, RuleReport, RuleVerdict, count, level_name};
use crate::core::plan::{Profile, Selection};
use prism_contract::Level;

/// The verdict of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunVerdict {
    /// Every case that applies to this target has passed.
    Conformant,
    /// The same, except for known failures.
    ConformantButForKnownFailures,
    /// The cases selected by `--only` have passed; the rest is not covered.
    Partial,
    /// All cases that ran have passed, but others were left out: no proof of conformance.
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
            Self::Conformant | Self::ConformantButForKnownFailures | Self::Partial => 0,
            Self::Incomplete | Self::NotConformant => 1,
            Self::Inconclusive | Self::NothingRan => 4,
        }
    }

    /// The display name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Conformant => "conformant",
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
        cases: &[CaseReport],
        rules: &[RuleReport],
        selection: &Selection,
        problems: &[String],
    ) -> (Self, String) {
        let tally = |outcome: CaseOutcome| cases.iter().filter(|case| case.outcome == outcome).count();
        let ran = cases.iter().filter(|case| !case.outcome.is_skipped()).count();
        let passed = tally(CaseOutcome::Passed);
        let must = |case: &&CaseReport| case.level == level_name(Level::Must) && case.outcome.is_fault();
        let faults = cases.iter().filter(must).count();
        let left_out = tally(CaseOutcome::LeftOut);
        let known = tally(CaseOutcome::KnownFailure);
        let hidden = rules.iter().filter(|rule| rule.verdict == RuleVerdict::NotObservable).count();

        if ran == 0 {
            return (Self::NothingRan, "No case ran, so nothing is proved.".to_owned());
        }
        if faults > 0 || !problems.is_empty() {
            return (Self::NotConformant, not_conformant(cases, faults, problems));
        }
        if left_out > 0 && selection.only.is_empty() {
            let how = match (selection.profile, selection.skip.is_empty()) {
                (Profile::Core, _) => "the core profile",
                (Profile::Full, _) => "--skip",
            };
            let cases = count(left_out, "case");
            let sentence = format!("Incomplete: {how} left out {cases}, so conformance is not proved.");
            return (Self::Incomplete, sentence);
        }
        let inconclusive = tally(CaseOutcome::Inconclusive);
        if inconclusive > 0 {
            let sentence = format!("Inconclusive: {} had no result either way.", count(inconclusive, "case"));
            return (Self::Inconclusive, sentence);
        }
        if left_out > 0 {
            let sentence = format!(
                "{} passed; the cases that were not selected are not covered.",
                count(passed, "case")
            );
            return (Self::Partial, sentence);
        }
        let mut sentence = "Every case that applies to this target has passed".to_owned();
        if known > 0 {
            sentence = format!("{sentence}, except for {}", count(known, "known failure"));
        }
        sentence.push('.');
        if hidden > 0 {
            sentence = format!("{sentence} {} cannot be observed on this target.", count(hidden, "rule"));
        }
        (if known > 0 { Self::ConformantButForKnownFailures } else { Self::Conformant }, sentence)
    }
}

fn not_conformant(cases: &[CaseReport], faults: usize, problems: &[String]) -> String {
    let broken = cases.iter().filter(|case| case.outcome == CaseOutcome::Broken).count();
    let passes = cases.iter().filter(|case| case.outcome == CaseOutcome::UnexpectedPass).count();
    let failed = faults - broken.min(faults) - passes.min(faults - broken.min(faults));
    let mut parts = Vec::new();
    if failed > 0 {
        parts.push(format!("{} failed", count(failed, "case")));
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

    /// The last output line of a run.
    pub fn line(self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}
