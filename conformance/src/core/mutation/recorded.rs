//! The recorded kill matrix, and what it says of a failure: which mutants show the same signature.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Deserialize;

use super::{Matrix, Mutant, Row, is_recorded};
use crate::core::{Abstraction, Case, Contract};

/// Which cases fail on which mutants, as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct KillMatrix {
    /// Every case that was run: all but random operations.
    cases: BTreeSet<String>,
    /// Per mutant, the cases that fail on it. Of histories, whose interleaving is not the same twice, only those that cite
    /// a rule which the mutant breaks.
    kills: BTreeMap<String, BTreeSet<String>>,
}

impl KillMatrix {
    /// The matrix that [`KillMatrix::to_json`] wrote.
    ///
    /// # Errors
    /// Where the text is no such matrix.
    pub fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// What a full matrix shows.
    pub fn of<A: Abstraction>(matrix: &Matrix<A>, cases: &[&'static Case<A>]) -> Self {
        let kills = |row: &Row<A>| {
            let failed = row.failed.iter().filter(|case| row.mutant.is_certain_of(case));
            (row.mutant.name.to_owned(), failed.map(|case| case.id.to_owned()).collect())
        };
        Self {
            cases: cases.iter().filter(|case| is_recorded(case)).map(|case| case.id.to_owned()).collect(),
            kills: matrix.rows.iter().map(kills).collect(),
        }
    }

    /// Whether this case was run on the mutants: random operations were not.
    pub fn records(&self, case: &str) -> bool {
        self.cases.contains(case)
    }

    /// Whether this case was seen to fail on this mutant.
    pub fn fails(&self, mutant: &str, case: &str) -> bool {
        self.kills.get(mutant).is_some_and(|failed| failed.contains(case))
    }

    /// How many cases were seen to fail on this mutant.
    pub fn failures(&self, mutant: &str) -> usize {
        self.kills.get(mutant).map_or(0, BTreeSet::len)
    }

    /// What has changed in the suite or the catalogue since this was recorded, in sentences.
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
        stale.extend(self.cases.difference(&names).map(|case| format!("case {case} is no more")));
        stale.extend(known.difference(&recorded).map(|mutant| format!("mutant {mutant} is not recorded")));
        stale.extend(recorded.difference(&known).map(|mutant| format!("mutant {mutant} is no more")));
        stale
    }

    /// The file's text: a case or a mutant to a line, so that a change shows as one.
    pub fn to_json(&self) -> String {
        let quoted = |names: &BTreeSet<String>, between: &str| {
            let names: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
            names.join(between)
        };
        let kills =
            self.kills.iter().map(|(mutant, failed)| format!("\"{mutant}\": [{}]", quoted(failed, ",")));
        let mut text = String::new();
        let _ = writeln!(text, "{{\n\"cases\": [\n{}\n],", quoted(&self.cases, ",\n"));
        let _ = writeln!(text, "\"kills\": {{\n{}\n}}\n}}", kills.collect::<Vec<_>>().join(",\n"));
        text
    }
}

/// The mutants whose signature is most like these failures, best first, each with its likeness: how many cases fail on
/// both, of those that fail on either (0 to 1). Random cases are left out: they are not recorded.
pub fn likely_causes(contract: Contract, failed: &[&str]) -> Vec<(&'static Mutant, f64)> {
    let recorded = (contract.kill_matrix)();
    let failed: BTreeSet<&str> =
        failed.iter().copied().filter(|case| recorded.cases.contains(*case)).collect();
    let mut causes: Vec<_> = recorded
        .kills
        .iter()
        .filter_map(|(mutant, kills)| {
            let both = kills.iter().filter(|case| failed.contains(case.as_str())).count();
            let either = kills.len() + failed.len() - both;
            let mutant = contract.mutant(mutant).filter(|_| both > 0)?;
            Some((mutant, ratio(both, either)))
        })
        .collect();
    causes.sort_by(|(a, like_a), (b, like_b)| like_b.total_cmp(like_a).then(a.name.cmp(b.name)));
    causes
}

fn ratio(part: usize, whole: usize) -> f64 {
    let exact = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    exact(part) / exact(whole)
}
