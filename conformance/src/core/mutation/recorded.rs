//! The recorded kill matrix, and its use for failures: the mutants with a similar signature.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Deserialize;

use super::{Matrix, Mutant, Row, is_recorded};
use crate::core::{Abstraction, Case, Contract};

/// The recorded kill matrix: which cases fail on which mutants.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct KillMatrix {
    /// The recorded cases: all but random operations.
    cases: BTreeSet<String>,
    /// Per mutant, the failing cases. Histories, whose interleaving varies, are included only if they cite a broken rule.
    kills: BTreeMap<String, BTreeSet<String>>,
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
            let failed = row.failed.iter().filter(|case| row.mutant.is_deterministic_for(case));
            (row.mutant.name.to_owned(), failed.map(|case| case.id.to_owned()).collect())
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
        self.kills.get(mutant).is_some_and(|failed| failed.contains(case))
    }

    /// The number of cases recorded as failing on this mutant.
    pub fn failures(&self, mutant: &str) -> usize {
        self.kills.get(mutant).map_or(0, BTreeSet::len)
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

/// The mutants whose signature is most similar to these failures, best first, each with its Jaccard similarity: the cases
/// that fail on both as a part of those that fail on either (0 to 1). Random cases are ignored: they are not recorded.
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
