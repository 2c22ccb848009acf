//! Failures that are known: a file names each by its case and its message, and the run fails when either is no longer so.

use serde::Deserialize;

use super::Contract;
use super::plan::Glob;

/// One known failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The id of the case.
    pub case: String,
    /// What the failure's message must hold; `*` and `?` are wildcards.
    pub message: Glob,
    /// Why it is known and not mended.
    pub reason: String,
}

/// The failures a run expects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownFailures(Vec<Known>);

impl KnownFailures {
    /// Reads a TOML file of `[[known]]` tables with `case`, `message` and `reason`, all of them required. Refuses what it
    /// does not know, an empty reason, and a case that stands twice.
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
                return Err(format!("{case}: message and reason must say something"));
            }
            if known.iter().any(|other| other.case == case) {
                return Err(format!("{case} stands twice"));
            }
            known.push(Known { case, message: Glob::new(message), reason });
        }
        Ok(Self(known))
    }

    /// The entry for a case.
    pub fn of(&self, case: &str) -> Option<&Known> {
        self.0.iter().find(|known| known.case == case)
    }

    /// The entries whose case is none of the suite's.
    pub fn stale(&self, contract: Contract) -> impl Iterator<Item = &Known> {
        let cases = (contract.cases)();
        self.0.iter().filter(move |known| !cases.contains(&known.case.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Abstraction;
    use crate::keyvalue::{KeyValue, cases};

    fn entry(case: &str, message: &str, reason: &str) -> String {
        format!("[[known]]\ncase = {case:?}\nmessage = {message:?}\nreason = {reason:?}\n")
    }

    #[test]
    fn an_entry_is_found_by_its_case_and_one_that_is_no_case_is_stale() {
        let real = cases::all().next().expect("the suite has cases").id;
        let text = entry(real, "expected *", "a fault") + &entry("put::of_old", "x", "y");
        let known = KnownFailures::parse(&text).expect("it parses");
        assert_eq!(known.of(real).map(|known| known.reason.as_str()), Some("a fault"));
        let stale: Vec<_> = known.stale(KeyValue::CONTRACT).map(|known| known.case.as_str()).collect();
        assert_eq!(stale, ["put::of_old"]);
    }

    #[test]
    fn a_file_that_says_too_little_or_too_much_is_refused() {
        for (text, why) in [
            ("[[known]]\ncase = \"a\"\nmessage = \"b\"\n".to_owned(), "reason"),
            (entry("a", "b", " "), "must say something"),
            (entry("a", "", "c"), "must say something"),
            (entry("a", "b", "c").repeat(2), "a stands twice"),
            (entry("a", "b", "c") + "until = 2030\n", "until"),
        ] {
            let error = KnownFailures::parse(&text).expect_err(&text);
            assert!(error.contains(why), "{error}");
        }
    }
}
