//! What a run amounts to, and the exit code that says so.

use serde::Serialize;

use super::{CaseReport, Outcome, RuleReport, RuleVerdict, count, level_name};
use crate::core::plan::{Profile, Selection};
use prism_contract::Level;

/// What a run amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every case that this target allows has passed.
    Conformant,
    /// The same, but for failures that are known.
    ConformantButForKnownFailures,
    /// The cases that `--only` selected have passed; nothing is said of the rest.
    Partial,
    /// What ran has passed, and what the target claims was left out: that is not conformance.
    Incomplete,
    /// A case failed, or a known failure is no longer as it is known.
    NotConformant,
    /// A case showed nothing either way.
    Inconclusive,
    /// No case ran.
    NothingRan,
}

impl Verdict {
    /// 0 conformant, 1 not, 4 inconclusive or nothing ran. (2 is usage, and 3 an unreachable target: neither has a
    /// report.)
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Conformant | Self::ConformantButForKnownFailures | Self::Partial => 0,
            Self::Incomplete | Self::NotConformant => 1,
            Self::Inconclusive | Self::NothingRan => 4,
        }
    }

    /// In a word or two, for people.
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
        let tally = |outcome: Outcome| cases.iter().filter(|case| case.outcome == outcome).count();
        let ran = cases.iter().filter(|case| !case.outcome.is_skipped()).count();
        let passed = tally(Outcome::Passed);
        let must = |case: &&CaseReport| case.level == level_name(Level::Must) && case.outcome.is_fault();
        let faults = cases.iter().filter(must).count();
        let left_out = tally(Outcome::LeftOut);
        let known = tally(Outcome::KnownFailure);
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
            let sentence =
                format!("Incomplete: {how} left {cases} out, so not all that this target claims is proved.");
            return (Self::Incomplete, sentence);
        }
        let unsure = tally(Outcome::Inconclusive);
        if unsure > 0 {
            let sentence =
                format!("{} showed nothing either way, so conformance is open.", count(unsure, "case"));
            return (Self::Inconclusive, sentence);
        }
        if left_out > 0 {
            let sentence = format!(
                "{} passed; this proves what ran, and nothing about the rest.",
                count(passed, "case")
            );
            return (Self::Partial, sentence);
        }
        let mut sentence = "Every case that this target allows has passed".to_owned();
        if known > 0 {
            sentence = format!("{sentence}, but for {}", count(known, "known failure"));
        }
        sentence.push('.');
        if hidden > 0 {
            sentence = format!("{sentence} {} cannot be observed in this way.", count(hidden, "rule"));
        }
        (if known > 0 { Self::ConformantButForKnownFailures } else { Self::Conformant }, sentence)
    }
}

fn not_conformant(cases: &[CaseReport], faults: usize, problems: &[String]) -> String {
    let broken = cases.iter().filter(|case| case.outcome == Outcome::Broken).count();
    let passes = cases.iter().filter(|case| case.outcome == Outcome::UnexpectedPass).count();
    let failed = faults - broken.min(faults) - passes.min(faults - broken.min(faults));
    let mut parts = Vec::new();
    if failed > 0 {
        parts.push(format!("{} failed", count(failed, "case")));
    }
    if broken > 0 {
        parts.push(format!("{} could not run, as the harness failed", count(broken, "case")));
    }
    if passes > 0 {
        parts
            .push(format!("{} passed that should fail by the list of known failures", count(passes, "case")));
    }
    parts.extend(problems.iter().cloned());
    format!("Not conformant: {}.", parts.join("; "))
}

/// How many cases came out how. Each case is counted once by `passed`, `failed` or `skipped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Passed.
    pub passed: usize,
    /// Failed, known failures, unexpected passes and what could not run among them.
    pub failed: usize,
    /// Did not run, or ran and showed nothing.
    pub skipped: usize,
    /// Those of `failed` that are known.
    pub known: usize,
    /// Those of `skipped` that ran and showed nothing.
    pub inconclusive: usize,
}

impl Counts {
    /// Counts cases.
    pub fn of(cases: &[CaseReport]) -> Self {
        let mut counts = Self::default();
        for case in cases {
            match case.outcome {
                Outcome::Passed => counts.passed += 1,
                Outcome::Failed | Outcome::UnexpectedPass | Outcome::Broken => counts.failed += 1,
                Outcome::KnownFailure => {
                    (counts.failed, counts.known) = (counts.failed + 1, counts.known + 1);
                }
                Outcome::Inconclusive => {
                    (counts.skipped, counts.inconclusive) = (counts.skipped + 1, counts.inconclusive + 1);
                }
                Outcome::NotApplicable | Outcome::NotObservable | Outcome::LeftOut => counts.skipped += 1,
            }
        }
        counts
    }

    /// The last line of a run.
    pub fn line(self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}
