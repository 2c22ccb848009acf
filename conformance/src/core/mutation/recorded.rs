//! The recorded kill matrix: which cases fail on which mutant, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Deserialize;

use super::{Matrix, Row, is_recorded};
use crate::core::{Abstraction, Case, Fingerprint};

/// The recorded kill matrix: which cases fail on which mutants.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct KillMatrix {
    /// The recorded cases: all but random operations.
    cases: BTreeSet<String>,
    /// Per mutant, the failing cases, and where and how each failed. Histories, whose interleaving varies, are included only if
    /// they cite a broken rule.
    kills: BTreeMap<String, BTreeMap<String, Fingerprint>>,
}

impl KillMatrix {
    /// Parses the output of [`KillMatrix::to_json`].
    ///
    /// # Errors
    /// If the text is not a valid matrix.
    pub fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// The recorded form of a full matrix.
    pub fn of<A: Abstraction>(matrix: &Matrix<A>, cases: &[&'static Case<A>]) -> Self {
        let kills = |row: &Row<A>| {
            let failed = row.failed.iter().filter(|kill| row.mutant.is_deterministic_for(kill.case));
            let failed = failed.map(|kill| (kill.case.id.to_owned(), kill.signature.fingerprint()));
            (row.mutant.name.to_owned(), failed.collect())
        };
        Self {
            cases: cases.iter().filter(|case| is_recorded(case)).map(|case| case.id.to_owned()).collect(),
            kills: matrix.rows.iter().map(kills).collect(),
        }
    }

    /// Whether this case is recorded: random operations are not.
    pub fn records(&self, case: &str) -> bool {
        self.cases.contains(case)
    }

    /// Whether this case is recorded as failing on this mutant.
    pub fn fails(&self, mutant: &str, case: &str) -> bool {
        self.kills.get(mutant).is_some_and(|failed| failed.contains_key(case))
    }

    /// Where and how cases fail on each mutant.
    pub fn kills(&self) -> &BTreeMap<String, BTreeMap<String, Fingerprint>> {
        &self.kills
    }

    /// The number of cases recorded as failing on this mutant.
    pub fn failures(&self, mutant: &str) -> usize {
        self.kills.get(mutant).map_or(0, BTreeMap::len)
    }

    /// Changes of the suite or the catalogue since the recording, as messages.
    pub fn stale<A: Abstraction>(&self) -> Vec<String> {
        let names: BTreeSet<String> =
            A::cases().filter(|case| is_recorded(case)).map(|case| case.id.to_owned()).collect();
        let known: BTreeSet<String> = (A::CONTRACT.mutants)()
            .into_iter()
            .filter(|mutant| !mutant.wire)
            .map(|mutant| mutant.name.to_owned())
            .collect();
        let recorded: BTreeSet<String> = self.kills.keys().cloned().collect();
        let mut stale = Vec::new();
        stale.extend(names.difference(&self.cases).map(|case| format!("case {case} is not recorded")));
        stale.extend(self.cases.difference(&names).map(|case| format!("case {case} no longer exists")));
        stale.extend(known.difference(&recorded).map(|mutant| format!("mutant {mutant} is not recorded")));
        stale.extend(recorded.difference(&known).map(|mutant| format!("mutant {mutant} no longer exists")));
        stale
    }

    /// The file's text: one case or mutant per line, for readable diffs.
    pub fn to_json(&self) -> String {
        let cases: Vec<_> = self.cases.iter().map(|name| format!("\"{name}\"")).collect();
        let kills = self.kills.iter().map(|(mutant, failed)| {
            let failed: Vec<_> = failed.iter().map(|(case, how)| format!("\"{case}\":\"{how}\"")).collect();
            format!("\"{mutant}\": {{{}}}", failed.join(","))
        });
        let mut text = String::new();
        let _ = writeln!(text, "{{\n\"cases\": [\n{}\n],", cases.join(",\n"));
        let _ = writeln!(text, "\"kills\": {{\n{}\n}}\n}}", kills.collect::<Vec<_>>().join(",\n"));
        text
    }
}
