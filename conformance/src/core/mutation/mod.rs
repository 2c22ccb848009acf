//! The kill matrix: which cases fail on which mutant.

mod causes;
mod gate;
mod markdown;
mod pairs;
mod recorded;

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};

use super::run::{Settings, Verdict, run_case};
use super::{Abstraction, Case, Harness, Kind, Mode, Signature};

pub use causes::{Cause, Observed, likely_causes};
pub use gate::{Problem, gate};
pub use markdown::matrix_markdown;
pub use pairs::{Named, Pair, pairs};
pub use recorded::KillMatrix;

/// A correct store with one wrong line.
#[derive(Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The name of the bug.
    pub name: &'static str,
    /// The description of the bug, in a sentence.
    pub description: &'static str,
    /// The ids of the broken rules.
    pub breaks: &'static [&'static str],
    /// Whether only overlapping operations reveal the bug.
    pub racy: bool,
    /// Whether only calls through a socket reveal the bug.
    pub wire: bool,
}

/// A rule that only a raw server can break.
#[derive(Debug)]
pub struct WireOnly {
    /// The rule's id.
    pub rule: &'static str,
    /// Why no store can break it.
    pub reason: &'static str,
}

/// The extent of a matrix per mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Up to the first failing case that cites a broken rule: enough for the [`gate()`].
    FirstKill,
    /// All deterministic cases, for the recorded matrix. Excluded are random operations, whose result depends on the seed,
    /// and races that cite no broken rule.
    Full,
}

/// The transport to a store: the harness itself, or another one around it.
pub type Reach<A> = fn(Arc<dyn Harness<A>>) -> Arc<dyn Harness<A>>;

/// The settings of a mutation run.
pub struct Selftest<A: Abstraction> {
    /// Budget, seed and the timeout per case.
    pub settings: Settings,
    /// The extent per mutant.
    pub depth: Depth,
    /// The number of mutants that run in parallel.
    pub jobs: NonZero<usize>,
    /// The transport to a mutant: direct, or through a socket.
    pub reach: Reach<A>,
}

impl<A: Abstraction> Clone for Selftest<A> {
    fn clone(&self) -> Self {
        Self { settings: self.settings, depth: self.depth, jobs: self.jobs, reach: self.reach }
    }
}

impl<A: Abstraction> Default for Selftest<A> {
    /// In process, to the first kill, with one job per processor. The timeout per case is shorter than in a normal run: a
    /// mutant on which a case never ends is caught, too.
    fn default() -> Self {
        Self {
            settings: Settings { timeout: Duration::from_secs(20), ..Settings::default() },
            depth: Depth::FirstKill,
            jobs: std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN),
            reach: |harness| harness,
        }
    }
}

/// The results of all mutants.
pub struct Matrix<A: Abstraction> {
    /// One row per mutant, in the catalogue's order.
    pub rows: Vec<Row<A>>,
    /// Cases that failed on a correct store, and why.
    pub false_alarms: Vec<(&'static Case<A>, String)>,
}

/// The result of one mutant.
pub struct Row<A: Abstraction> {
    /// The mutant.
    pub mutant: &'static Mutant,
    /// The failed cases, in the suite's order; with [`Depth::FirstKill`] only the first one.
    pub failed: Vec<Kill<A>>,
}

/// A case that fails on a mutant.
pub struct Kill<A: Abstraction> {
    /// The case.
    pub case: &'static Case<A>,
    /// Where and how it failed.
    pub signature: Signature,
}

impl<A: Abstraction> Row<A> {
    /// The failed cases that catch the mutant reliably and for the right reason: they cite a broken rule, and do not depend
    /// on a random seed.
    pub fn kills(&self) -> impl Iterator<Item = &'static Case<A>> {
        self.failed.iter().map(|kill| kill.case).filter(|case| self.mutant.is_aimed_at_by(case))
    }
}

impl Mutant {
    /// Whether `case` proves a rule that this mutant breaks, independent of a random seed.
    pub fn is_aimed_at_by<A: Abstraction>(&self, case: &Case<A>) -> bool {
        self.is_cited_by(case) && is_recorded(case)
    }

    /// Whether `case` is expected to have the same result on this mutant each time. A race is only if it aims at the mutant.
    fn is_deterministic_for<A: Abstraction>(&self, case: &Case<A>) -> bool {
        let overlaps = self.racy || case.kind == Kind::History;
        is_recorded(case) && (!overlaps || self.is_cited_by(case))
    }

    /// Whether `case` proves a rule that this mutant breaks.
    pub fn is_cited_by<A: Abstraction>(&self, case: &Case<A>) -> bool {
        case.proves.iter().any(|rule| self.breaks.contains(rule))
    }
}

/// Runs `cases` on every mutant that `only` selects, and on the correct stores. Wire-only mutants are skipped in process.
pub async fn matrix<A: Abstraction>(
    cases: &[&'static Case<A>],
    selftest: &Selftest<A>,
    only: impl Fn(&Mutant) -> bool,
) -> Matrix<A> {
    let sound: Vec<_> = A::sound().into_iter().map(selftest.reach).collect();
    let on_the_wire = sound.iter().any(|harness| harness.mode() == Mode::Wire);
    let mutants = (A::CONTRACT.mutants)().into_iter();
    let chosen: Vec<_> = mutants.filter(|mutant| only(mutant) && (on_the_wire || !mutant.wire)).collect();
    let rows = stream::iter(chosen).map(|mutant| {
        let (cases, selftest) = (cases.to_vec(), selftest.clone());
        tokio::spawn(async move { row(mutant, &cases, &selftest).await })
    });
    let rows = rows.buffered(selftest.jobs.get());
    let rows = rows.map(|row| row.expect("a row does not panic")).collect().await;
    let mut false_alarms = Vec::new();
    for harness in sound {
        false_alarms.extend(false_alarms_of(harness, cases, selftest).await);
    }
    Matrix { rows, false_alarms }
}

async fn row<A: Abstraction>(
    mutant: &'static Mutant,
    cases: &[&'static Case<A>],
    selftest: &Selftest<A>,
) -> Row<A> {
    let harness = (selftest.reach)(A::flawed(mutant));
    let mut row = Row { mutant, failed: Vec::new() };
    let within_depth =
        |case: &&Case<A>| selftest.depth == Depth::FirstKill || mutant.is_deterministic_for(case);
    for case in most_likely_first(mutant, cases).into_iter().filter(within_depth) {
        let result = run_case(&*harness, case, selftest.settings).await;
        if let Verdict::Failed(divergence) = &result.verdict {
            row.failed.push(Kill { case, signature: Signature::of(divergence) });
        }
        if selftest.depth == Depth::FirstKill && !row.failed.is_empty() {
            break;
        }
    }
    row.failed.sort_by_key(|kill| cases.iter().position(|other| other.id == kill.case.id));
    row
}

/// Whether this case is part of the recorded matrix.
fn is_recorded<A: Abstraction>(case: &Case<A>) -> bool {
    case.kind != Kind::Property
}

/// The cases, sorted by how likely they catch the mutant: first those that cite a broken rule (the first rule before
/// others, recorded kills before the rest, examples before others), then all others.
fn most_likely_first<A: Abstraction>(mutant: &Mutant, cases: &[&'static Case<A>]) -> Vec<&'static Case<A>> {
    let recorded = (A::CONTRACT.kill_matrix)();
    let mut cases = cases.to_vec();
    cases.sort_by_key(|case| {
        let rule = mutant.breaks.iter().position(|rule| case.proves.contains(rule));
        let known = recorded.fails(mutant.name, case.id);
        (!mutant.is_aimed_at_by(case), rule, !known, case.kind != Kind::Example)
    });
    cases
}

/// The cases that fail on a correct store.
async fn false_alarms_of<A: Abstraction>(
    harness: Arc<dyn Harness<A>>,
    cases: &[&'static Case<A>],
    selftest: &Selftest<A>,
) -> Vec<(&'static Case<A>, String)> {
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
        Verdict::Broken(why) => Some((result.case, format!("the harness {} failed: {why}", harness.name()))),
        Verdict::Passed | Verdict::Inconclusive(_) | Verdict::Skipped(_) => None,
    });
    alarms.collect()
}
