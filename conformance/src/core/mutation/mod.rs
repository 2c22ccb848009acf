//! The kill matrix: which cases fail on which mutant.

mod gate;
mod markdown;
mod recorded;

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};

use super::run::{Settings, Verdict, run_case};
use super::{Abstraction, Case, Harness, Kind, Mode};

pub use gate::{Problem, gate};
pub use markdown::matrix_markdown;
pub use recorded::{KillMatrix, likely_causes};

/// A correct store with one wrong line.
#[derive(Debug, PartialEq, Eq)]
pub struct Mutant {
    /// What it forgets, in a name.
    pub name: &'static str,
    /// What it forgets, in a sentence.
    pub says: &'static str,
    /// The ids of the rules that it breaks.
    pub breaks: &'static [&'static str],
    /// Whether the flaw shows only where operations overlap.
    pub racy: bool,
    /// Whether only a case that goes through a socket can see the flaw.
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

/// How far a matrix goes for each mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Until a case fails that cites a rule which the mutant breaks: enough for the [`gate()`].
    FirstKill,
    /// Every case that shows the same each time, for the recorded matrix. Left out are random operations, which find with one
    /// seed what they miss with the next, and, where they cite no rule that the mutant breaks, races.
    Full,
}

/// How a store is reached: itself, or another harness around it.
pub type Reach<A> = fn(Arc<dyn Harness<A>>) -> Arc<dyn Harness<A>>;

/// How a matrix is made.
pub struct Selftest<A: Abstraction> {
    /// Budget, seed and the time that a case may take.
    pub settings: Settings,
    /// How far it goes.
    pub depth: Depth,
    /// How many mutants run at once.
    pub jobs: NonZero<usize>,
    /// How a mutant is reached: itself, or behind a socket.
    pub reach: Reach<A>,
}

impl<A: Abstraction> Clone for Selftest<A> {
    fn clone(&self) -> Self {
        Self { settings: self.settings, depth: self.depth, jobs: self.jobs, reach: self.reach }
    }
}

impl<A: Abstraction> Default for Selftest<A> {
    /// In process, to the first kill, as many mutants at once as there are processors. A mutant on which a case never ends
    /// is caught too, so a case gets less time than in a run of its own.
    fn default() -> Self {
        Self {
            settings: Settings { timeout: Duration::from_secs(20), ..Settings::default() },
            depth: Depth::FirstKill,
            jobs: std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN),
            reach: |harness| harness,
        }
    }
}

/// What became of every mutant.
pub struct Matrix<A: Abstraction> {
    /// One row per mutant, in the catalogue's order.
    pub rows: Vec<Row<A>>,
    /// Cases that a store without a flaw failed, and how.
    pub false_alarms: Vec<(&'static Case<A>, String)>,
}

/// What became of one mutant.
pub struct Row<A: Abstraction> {
    /// The mutant.
    pub mutant: &'static Mutant,
    /// The cases that failed, in the suite's order; with [`Depth::FirstKill`] no more than it took.
    pub failed: Vec<&'static Case<A>>,
}

impl<A: Abstraction> Row<A> {
    /// The failed cases that are sure to catch the mutant, for the right reason: they cite a rule which it breaks, and they
    /// are not random operations, which find it with one seed and may miss it with the next.
    pub fn kills(&self) -> impl Iterator<Item = &'static Case<A>> {
        self.failed.iter().copied().filter(|case| self.mutant.is_aimed_at_by(case))
    }
}

impl Mutant {
    /// Whether `case` proves a rule that this mutant breaks, and does so each time.
    pub fn is_aimed_at_by<A: Abstraction>(&self, case: &Case<A>) -> bool {
        self.is_cited_by(case) && is_recorded(case)
    }

    /// Whether `case` shows the same of this mutant each time, as far as that can be known. A race does where it looks for
    /// just that.
    fn is_certain_of<A: Abstraction>(&self, case: &Case<A>) -> bool {
        let overlaps = self.racy || case.kind == Kind::History;
        is_recorded(case) && (!overlaps || self.is_cited_by(case))
    }

    /// Whether `case` proves a rule that this mutant breaks.
    pub fn is_cited_by<A: Abstraction>(&self, case: &Case<A>) -> bool {
        case.proves.iter().any(|rule| self.breaks.contains(rule))
    }
}

/// Runs `cases` on every mutant that `only` takes, and all of them on the stores without a flaw. A mutant that shows only on
/// the wire is left out in process.
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
        false_alarms.extend(alarms(harness, cases, selftest).await);
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
    let of_depth = |case: &&Case<A>| selftest.depth == Depth::FirstKill || mutant.is_certain_of(case);
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
fn is_recorded<A: Abstraction>(case: &Case<A>) -> bool {
    case.kind != Kind::Property
}

/// First the cases that cite a rule which the mutant breaks, its first rule before others: those that failed when the matrix
/// was recorded, then examples. At last the rest.
fn in_order_of_promise<A: Abstraction>(mutant: &Mutant, cases: &[&'static Case<A>]) -> Vec<&'static Case<A>> {
    let recorded = (A::CONTRACT.kill_matrix)();
    let mut cases = cases.to_vec();
    cases.sort_by_key(|case| {
        let rule = mutant.breaks.iter().position(|rule| case.proves.contains(rule));
        let known = recorded.fails(mutant.name, case.id);
        (!mutant.is_aimed_at_by(case), rule, !known, case.kind != Kind::Example)
    });
    cases
}

/// The cases that fail where nothing is wrong.
async fn alarms<A: Abstraction>(
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
        Verdict::Broken(why) => Some((result.case, format!("{} broke: {why}", harness.name()))),
        Verdict::Passed | Verdict::Inconclusive(_) | Verdict::Skipped(_) => None,
    });
    alarms.collect()
}
