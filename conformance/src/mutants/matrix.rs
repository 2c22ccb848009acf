//! The kill matrix: which cases fail on which mutant.

mod data;
mod gate;
mod markdown;
mod wire_only;

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};

use super::{Mutant, MutantHarness, mutants, sound, sound_core, witness};
use crate::run::{Settings, Verdict, run_case};
use crate::{Case, Harness, Kind, Mode};

pub use data::{KillMatrix, likely_causes};
pub use gate::{Problem, gate};
pub use markdown::matrix_markdown;
pub use wire_only::{WIRE_ONLY, WireOnly};

/// How far a matrix goes for each mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Until a case fails that cites a rule which the mutant breaks: enough for the [`gate()`].
    FirstKill,
    /// Every case that shows the same each time, for the recorded matrix. Left out are random operations, which find with one
    /// seed what they miss with the next, and, where they cite no rule that the mutant breaks, races.
    Full,
}

/// How a matrix is made.
#[derive(Clone)]
pub struct Selftest {
    /// Budget, seed and the time that a case may take.
    pub settings: Settings,
    /// How far it goes.
    pub depth: Depth,
    /// How many mutants run at once.
    pub jobs: NonZero<usize>,
    /// How a mutant is reached: itself, or behind a socket.
    pub reach: fn(MutantHarness) -> Arc<dyn Harness>,
}

impl Default for Selftest {
    /// In process, to the first kill, as many mutants at once as there are processors. A mutant on which a case never ends
    /// is caught too, so a case gets less time than in a run of its own.
    fn default() -> Self {
        Self {
            settings: Settings { timeout: Duration::from_secs(20), ..Settings::default() },
            depth: Depth::FirstKill,
            jobs: std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN),
            reach: |harness| Arc::new(harness),
        }
    }
}

/// What became of every mutant.
pub struct Matrix {
    /// One row per mutant, in the catalogue's order.
    pub rows: Vec<Row>,
    /// Cases that a store without a flaw failed, and how.
    pub false_alarms: Vec<(&'static Case, String)>,
}

/// What became of one mutant.
pub struct Row {
    /// The mutant.
    pub mutant: &'static Mutant,
    /// The cases that failed, in the suite's order; with [`Depth::FirstKill`] no more than it took.
    pub failed: Vec<&'static Case>,
    /// Why its witness shows no difference; `None`: it shows one.
    pub equivalent: Option<String>,
}

impl Row {
    /// The failed cases that are sure to catch the mutant, for the right reason: they cite a rule which it breaks, and they
    /// are not random operations, which find it with one seed and may miss it with the next.
    pub fn kills(&self) -> impl Iterator<Item = &'static Case> {
        self.failed.iter().copied().filter(|case| self.mutant.is_aimed_at_by(case))
    }
}

impl Mutant {
    /// Whether `case` proves a rule that this mutant breaks, and does so each time.
    pub fn is_aimed_at_by(&self, case: &Case) -> bool {
        self.is_cited_by(case) && is_recorded(case)
    }

    /// Whether `case` shows the same of this mutant each time, as far as that can be known. A race does where it looks for
    /// just that.
    fn is_certain_of(&self, case: &Case) -> bool {
        let overlaps = self.racy || case.kind == Kind::History;
        is_recorded(case) && (!overlaps || self.is_cited_by(case))
    }

    /// Whether `case` proves a rule that this mutant breaks.
    pub fn is_cited_by(&self, case: &Case) -> bool {
        case.proves.iter().any(|rule| self.breaks.contains(rule))
    }
}

/// Runs `cases` on every mutant that `only` takes, and all of them on the stores without a flaw. A mutant that shows only on
/// the wire is left out in process.
pub async fn matrix(cases: &[&'static Case], selftest: &Selftest, only: impl Fn(&Mutant) -> bool) -> Matrix {
    let on_the_wire = (selftest.reach)(sound()).mode() == Mode::Wire;
    let chosen: Vec<_> = mutants().filter(|mutant| only(mutant) && (on_the_wire || !mutant.wire)).collect();
    let rows = stream::iter(chosen).map(|mutant| {
        let (cases, selftest) = (cases.to_vec(), selftest.clone());
        tokio::spawn(async move { row(mutant, &cases, &selftest).await })
    });
    let rows = rows.buffered(selftest.jobs.get());
    let rows = rows.map(|row| row.expect("a row does not panic")).collect().await;
    let mut false_alarms = Vec::new();
    for harness in [sound(), sound_core()] {
        false_alarms.extend(alarms((selftest.reach)(harness), cases, selftest).await);
    }
    Matrix { rows, false_alarms }
}

async fn row(mutant: &'static Mutant, cases: &[&'static Case], selftest: &Selftest) -> Row {
    let harness = (selftest.reach)(mutant.harness());
    let mut row = Row { mutant, failed: Vec::new(), equivalent: witness(mutant).await.err() };
    let of_depth = |case: &&Case| selftest.depth == Depth::FirstKill || mutant.is_certain_of(case);
    for case in in_order_of_promise(mutant, cases).into_iter().filter(of_depth) {
        let result = run_case(&*harness, case, selftest.settings).await;
        if matches!(result.verdict, Verdict::Failed(_)) {
            row.failed.push(case);
        }
        if selftest.depth == Depth::FirstKill && !row.failed.is_empty() {
            break;
        }
    }
    row.failed.sort_by_key(|case| cases.iter().position(|other| other.id == case.id));
    row
}

/// Whether this case is part of the recorded matrix.
fn is_recorded(case: &Case) -> bool {
    case.kind != Kind::Property
}

/// First the cases that cite a rule which the mutant breaks, its first rule before others: those that failed when the matrix
/// was recorded, then examples. At last the rest.
fn in_order_of_promise(mutant: &Mutant, cases: &[&'static Case]) -> Vec<&'static Case> {
    let recorded = KillMatrix::recorded();
    let mut cases = cases.to_vec();
    cases.sort_by_key(|case| {
        let rule = mutant.breaks.iter().position(|rule| case.proves.contains(rule));
        let known = recorded.fails(mutant.name, case.id);
        (!mutant.is_aimed_at_by(case), rule, !known, case.kind != Kind::Example)
    });
    cases
}

/// The cases that fail where nothing is wrong.
async fn alarms(
    harness: Arc<dyn Harness>,
    cases: &[&'static Case],
    selftest: &Selftest,
) -> Vec<(&'static Case, String)> {
    let settings = selftest.settings;
    let results = cases.iter().copied().map(|case| {
        let harness = Arc::clone(&harness);
        async move { run_case(&*harness, case, settings).await }
    });
    let results: Vec<_> = stream::iter(results).buffered(selftest.jobs.get()).collect().await;
    let alarms = results.into_iter().filter_map(|result| match result.verdict {
        Verdict::Failed(divergence) => {
            let why =
                format!("{} expected {}, not {}", harness.name(), divergence.expected, divergence.actual);
            Some((result.case, why))
        }
        Verdict::Broken(why) => Some((result.case, format!("{} broke: {why}", harness.name()))),
        Verdict::Passed | Verdict::Inconclusive(_) | Verdict::Skipped(_) => None,
    });
    alarms.collect()
}
