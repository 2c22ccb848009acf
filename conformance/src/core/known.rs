//! Known failures: a file lists each by case and message, and the run fails when either no longer matches.

use serde::Deserialize;

use super::Contract;
use super::plan::Glob;
use super::report::{CaseOutcome, CaseReport};
use super::signature::normalized;

/// One known failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The id of the case.
    pub case: String,
    /// A pattern within the failure's message; `*` and `?` are wildcards.
    pub message: Glob,
    /// Why it is not fixed.
    pub reason: String,
}

/// The expected failures of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownFailures(Vec<Known>);

impl KnownFailures {
    /// Parses a TOML file of `[[known]]` tables with `case`, `message` and `reason`, all of them required. Rejects unknown
    /// fields, an empty message or reason, and a duplicate case.
    pub fn parse(toml: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            #[serde(default)]
            known: Vec<Entry>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Entry {
            case: String,
            message: String,
            reason: String,
        }
        let file: File = toml::from_str(toml).map_err(|error| error.to_string())?;
        let mut known: Vec<Known> = Vec::new();
        for Entry { case, message, reason } in file.known {
            if message.trim().is_empty() || reason.trim().is_empty() {
                return Err(format!("{case}: message or reason is empty; both are required"));
            }
            if known.iter().any(|other| other.case == case) {
                return Err(format!("{case} is listed twice"));
            }
            known.push(Known { case, message: Glob::new(message), reason });
        }
        Ok(Self(known))
    }

    /// A file of known failures with the failures of `cases`. An entry of this list that still matches keeps its text; the
    /// others get `reason`. Their patterns leave numbers and quoted text open, which differ between runs.
    pub fn recorded(&self, cases: &[CaseReport], reason: &str) -> String {
        let mut text = String::from(
            "# Failures that do not fail a run with --known-failing, by case and message. A fixed one must be removed.\n",
        );
        let entry = |case: &CaseReport| match case.outcome {
            CaseOutcome::KnownFailure => {
                self.of(case.id).map(|known| (known.message.to_string(), known.reason.clone()))
            }
            CaseOutcome::Failed => Some((open_pattern(&case.message()), reason.to_owned())),
            CaseOutcome::Passed
            | CaseOutcome::UnexpectedPass
            | CaseOutcome::Inconclusive
            | CaseOutcome::Broken
            | CaseOutcome::NotApplicable
            | CaseOutcome::NotObservable
            | CaseOutcome::LeftOut => None,
        };
        for case in cases {
            let Some((message, reason)) = entry(case) else { continue };
            // The escapes of JSON strings are those of TOML's.
            let quoted = |text: &str| serde_json::Value::from(text).to_string();
            let (case, message, reason) = (quoted(case.id), quoted(&message), quoted(&reason));
            text += &format!("\n[[known]]\ncase = {case}\nmessage = {message}\nreason = {reason}\n");
        }
        text
    }

    /// The entry for a case.
    pub fn of(&self, case: &str) -> Option<&Known> {
        self.0.iter().find(|known| known.case == case)
    }

    /// The entries whose case is not in the suite.
    pub fn stale(&self, contract: Contract) -> impl Iterator<Item = &Known> {
        let cases = (contract.cases)();
        self.0.iter().filter(move |known| !cases.contains(&known.case.as_str()))
    }
}

/// A pattern that matches a message whatever its numbers and quoted texts are.
fn open_pattern(message: &str) -> String {
    normalized(message).replace("\"…\"", "*").replace('#', "*")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Abstraction;
    use crate::core::report::fixture_cases;
    use crate::keyvalue::{KeyValue, cases};

    fn entry(case: &str, message: &str, reason: &str) -> String {
        format!("[[known]]\ncase = {case:?}\nmessage = {message:?}\nreason = {reason:?}\n")
    }

    #[test]
    fn an_entry_is_found_by_its_case_and_is_stale_without_one() {
        let real = cases::all().next().expect("the suite has cases").id;
        let text = entry(real, "expected *", "a fault") + &entry("put::removed", "x", "y");
        let known = KnownFailures::parse(&text).expect("the file parses");
        assert_eq!(known.of(real).map(|known| known.reason.as_str()), Some("a fault"));
        let stale: Vec<_> = known.stale(KeyValue::CONTRACT).map(|known| known.case.as_str()).collect();
        assert_eq!(stale, ["put::removed"]);
    }

    #[test]
    fn a_recorded_failure_is_known_in_the_next_run_and_keeps_its_reason() {
        let mut cases = fixture_cases();
        let known = KnownFailures::default();
        let recorded = known.recorded(&cases, "found on the first run");
        let known = KnownFailures::parse(&recorded).expect("the file parses");
        let failed =
            cases.iter_mut().find(|case| case.outcome == CaseOutcome::Failed).expect("a case failed");
        let entry = known.of(failed.id).expect("the failure is recorded");
        assert!(
            entry.message.is_within(&failed.message()),
            "{} is not in {}",
            entry.message,
            failed.message()
        );
        assert_eq!(entry.reason, "found on the first run");
        failed.outcome = CaseOutcome::KnownFailure;
        assert_eq!(known.recorded(&cases, "another"), recorded);
        assert!(!recorded.contains("rt::every_byte"), "a passed case is recorded: {recorded}");
    }

    #[test]
    fn a_pattern_leaves_the_values_of_a_run_open() {
        let pattern = open_pattern(r#"expected "k"="new" at v3 (PUT-1); actual NOT_FOUND"#);
        assert_eq!(pattern, "expected *=* at v* (PUT-1); actual NOT_FOUND");
    }

    #[test]
    fn missing_empty_duplicate_and_unknown_entries_are_rejected() {
        for (text, why) in [
            ("[[known]]\ncase = \"a\"\nmessage = \"b\"\n".to_owned(), "reason"),
            (entry("a", "b", " "), "message or reason is empty"),
            (entry("a", "", "c"), "message or reason is empty"),
            (entry("a", "b", "c").repeat(2), "a is listed twice"),
            (entry("a", "b", "c") + "until = 2030\n", "until"),
        ] {
            let error = KnownFailures::parse(&text).expect_err(&text);
            assert!(error.contains(why), "{error}");
        }
    }
}
