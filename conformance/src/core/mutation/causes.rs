//! Likely causes of a run's failures: the seeded bugs whose own failures occurred here.
//!
//! A run may have several causes, and one can hide another: a case ends at its first divergence. A bug is therefore judged by
//! its own failures: the share of them that occurred here in the same way, among those that could have occurred.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::Mutant;
use crate::core::{Contract, Fingerprint};

/// The results of a run, by case.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The failed cases, and where and how each failed.
    pub failed: BTreeMap<String, Fingerprint>,
    /// The passed cases.
    pub passed: BTreeSet<String>,
}

/// A seeded bug that would explain some of a run's failures.
#[derive(Debug, Clone, PartialEq)]
pub struct Cause {
    /// The bug.
    pub mutant: &'static Mutant,
    /// The part of the bug's own failures that occurred here in the same way, 0 to 1.
    pub share: f64,
    /// The failed cases that it explains.
    pub explains: BTreeSet<String>,
}

/// Minimum share for a likely cause: below it, most of the bug's recorded failures did not occur in this run.
const MIN_SHARE: f64 = 0.5;

/// The evidence that a failure at the same check, but with another observation, gives for a bug, and against it.
const SAME_CHECK: (f64, f64) = (0.3, 0.7);

/// The weight of a racy bug: whether and where its cases fail depends on timing.
const RACY: f64 = 0.5;

/// The likely causes of a run's failures, best first; empty if none fits. Each explains failures that those before it do not.
pub fn likely_causes(contract: Contract, observed: &Observed) -> Vec<Cause> {
    let kills = (contract.kill_matrix)().kills();
    let mutants = kills.iter().filter_map(|(name, kills)| Some((contract.mutant(name)?, kills)));
    let mut candidates: Vec<_> =
        mutants.filter_map(|(mutant, kills)| weigh(mutant, kills, observed)).collect();
    let mut unexplained: BTreeSet<_> = observed.failed.keys().cloned().collect();
    let mut causes = Vec::new();
    loop {
        let gain = |cause: &Cause| {
            let explained = exact(cause.explains.intersection(&unexplained).count());
            explained * cause.share * if cause.mutant.racy { RACY } else { 1.0 }
        };
        let better = |a: &&Cause, b: &&Cause| {
            let fewer = kills[b.mutant.name].len().cmp(&kills[a.mutant.name].len());
            gain(a).total_cmp(&gain(b)).then(a.share.total_cmp(&b.share)).then(fewer)
        };
        let Some(best) = candidates.iter().max_by(better).filter(|best| gain(best) > 0.0).cloned() else {
            return causes;
        };
        candidates.retain(|cause| cause.mutant.name != best.mutant.name);
        unexplained.retain(|case| !best.explains.contains(case));
        causes.push(best);
    }
}

/// The evidence for a bug; `None`: it does not fit.
fn weigh(
    mutant: &'static Mutant,
    kills: &BTreeMap<String, Fingerprint>,
    observed: &Observed,
) -> Option<Cause> {
    let (mut fits, mut differs, mut explains) = (0.0, 0.0, BTreeSet::new());
    for (case, own) in kills {
        let Some(here) = observed.failed.get(case) else {
            if observed.passed.contains(case) {
                differs += if mutant.racy { RACY } else { 1.0 };
            }
            continue;
        };
        // A failure without a step is one of the whole case.
        let step = |failure: &Fingerprint| failure.step.unwrap_or(usize::MAX);
        let (agrees, disagrees) = match step(own).cmp(&step(here)) {
            _ if own == here => (1.0, 0.0),
            _ if mutant.racy && own.is_alike(*here) => (1.0, 0.0),
            _ if mutant.racy => (0.0, 0.0),
            // It ended before this bug could show.
            Ordering::Greater => (0.0, 0.0),
            Ordering::Equal if own.is_same_check(*here) => SAME_CHECK,
            // This bug would have ended it before.
            Ordering::Equal | Ordering::Less => (0.0, 1.0),
        };
        (fits, differs) = (fits + agrees, differs + disagrees);
        if own == here || (mutant.racy && own.is_alike(*here)) {
            explains.insert(case.clone());
        }
    }
    let share = fits / (fits + differs);
    (!explains.is_empty() && share >= MIN_SHARE).then_some(Cause { mutant, share, explains })
}

fn exact(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
