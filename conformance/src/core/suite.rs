//! A run of the whole suite against one harness: several cases in parallel, and a report at the end.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use super::known::KnownFailures;
use super::plan::{Omission, Selection};
use super::report::{self, CaseReport, Replay, Report, RunInfo, Target, case_report};
use super::run::{Settings, run_case};
use super::{Abstraction, Case, Harness};

/// The options of a suite run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Budget, seed and the timeout per case.
    pub settings: Settings,
    /// The selected cases.
    pub selection: Selection,
    /// The known failures.
    pub known: KnownFailures,
    /// The number of cases that run in parallel.
    pub jobs: NonZero<usize>,
    /// Whether the report includes the transcripts of passed cases.
    pub trace: bool,
    /// The command that the report shows for running a case again.
    pub replay: Replay,
    /// The number of failures after which no further case is started; `None`: all cases run.
    pub max_failures: Option<NonZero<usize>>,
    /// The folder for failures: their full text, their ids, and the documents that they attach. It is created with the first
    /// failure. `None`: nothing is saved.
    pub failures: Option<PathBuf>,
    /// Additional target details, such as the address.
    pub details: Vec<(String, String)>,
}

impl Default for Options {
    /// All cases on the quick budget, with one job per processor.
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            selection: Selection::default(),
            known: KnownFailures::default(),
            jobs: std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN),
            trace: false,
            replay: Replay::Cargo {
                package: "PACKAGE".to_owned(),
                test: "conformance".to_owned(),
                features: String::new(),
            },
            max_failures: None,
            failures: None,
            details: Vec::new(),
        }
    }
}

/// Consecutive cases without a response after which the run is aborted: each waits for long, and the rest would, too.
const MAX_TIMED_OUT: usize = 12;

/// Runs the suite.
///
/// ```
/// # use std::sync::Arc;
/// use prism_conformance::keyvalue::InProcess;
/// use prism_conformance::{report, run};
/// use prism_contract::keyvalue::Memory;
///
/// # #[tokio::main]
/// # async fn main() {
/// let harness = Arc::new(InProcess::new("mine", || async { Ok(Memory::default()) }));
/// let report = run::suite(harness, &run::Options::default()).await;
/// assert_eq!(report.exit_code, 0, "{}", report::summary(&report));
/// # }
/// ```
pub async fn suite<A: Abstraction>(harness: Arc<dyn Harness<A>>, options: &Options) -> Report {
    suite_with_progress(harness, options, |_, _| {}).await
}

/// The progress of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The number of completed cases.
    pub done: usize,
    /// The number of cases to run.
    pub of: usize,
}

/// Runs the suite, and calls `on_case` after each case.
pub async fn suite_with_progress<A: Abstraction>(
    harness: Arc<dyn Harness<A>>,
    options: &Options,
    mut on_case: impl FnMut(&CaseReport, Progress) + Send,
) -> Report {
    let (started, began) = (report::utc_now(), Instant::now());
    let settings = options.settings;
    let replay = |case: &Case<A>| options.replay.of(harness.name(), case.id, settings);
    let all: Vec<&'static Case<A>> = A::cases().collect();
    let mut waiting = Vec::new();
    let mut done: BTreeMap<usize, CaseReport> = BTreeMap::new();
    for (at, case) in all.iter().copied().enumerate() {
        match (case.obstacle(&*harness), options.selection.omits(case)) {
            // An obstacle takes precedence: the case could not run anyway.
            (Some(obstacle), _) => {
                done.insert(at, report::not_run(case, obstacle, replay(case)));
            }
            (None, Some(why)) => {
                done.insert(at, report::omitted(case, &why, replay(case)));
            }
            (None, None) => waiting.push((at, case)),
        }
    }
    let of = waiting.len();
    // With a maximum of failures, a run that fails should end soon, so slow cases come last.
    let is_late = |case: &Case<A>| case.may_take_long() == options.max_failures.is_some();
    waiting.sort_by_key(|(_, case)| (basic::<A>(case), is_late(case)));
    let mut waiting = waiting.into_iter().peekable();
    let mut running = JoinSet::new();
    let (mut timed_out, mut failed, mut basics_running) = (0, 0, 0);
    let end = loop {
        let end = match options.max_failures {
            Some(most) if failed >= most.get() => Some(Omission::MaxFailures(most.get())),
            _ if timed_out >= MAX_TIMED_OUT => Some(Omission::Silence(timed_out)),
            _ => None,
        };
        while end.is_none()
            && running.len() < options.jobs.get()
            // The other cases start when the basic ones have ended.
            && waiting.peek().is_some_and(|(_, case)| basics_running == 0 || basic::<A>(case) < usize::MAX)
            && let Some((at, case)) = waiting.next()
        {
            basics_running += usize::from(basic::<A>(case) < usize::MAX);
            let harness = Arc::clone(&harness);
            running.spawn(async move { (at, run_case(&*harness, case, settings).await) });
        }
        let Some(joined) = running.join_next().await else { break end };
        // A panic of a case becomes its verdict, so this is a panic of the suite, which must not count as a result.
        let (at, result) = joined.expect("running a case does not panic");
        basics_running -= usize::from(basic::<A>(result.case) < usize::MAX);
        timed_out = if result.timed_out() { timed_out + 1 } else { 0 };
        let mut case = case_report(&result, &options.known, replay(result.case), options.trace);
        failed += usize::from(case.outcome.is_fault());
        case.label_attachments(harness.name(), settings.seed);
        if let Some(folder) = &options.failures {
            case.save_attachments(folder);
            case.replay_shrunk = options.replay.shrunk(&case);
        }
        on_case(&case, Progress { done: of - waiting.len() - running.len(), of });
        done.insert(at, case);
    };
    if let Some(why) = end {
        for (at, case) in waiting {
            done.insert(at, report::omitted(case, &why, replay(case)));
        }
    }
    let mut target = Target::of(&*harness);
    target.details.clone_from(&options.details);
    let info =
        RunInfo::before(A::CONTRACT, settings, started, options.replay.whole(harness.name(), settings));
    let cases = done.into_values().collect();
    let mut report = report::report(target, info, began.elapsed(), &options.selection, &options.known, cases);
    if let Some(folder) = &options.failures {
        report.save_failures(folder);
    }
    report
}

/// The position of a case among the basic ones, which run before all others; `usize::MAX`: it is none.
fn basic<A: Abstraction>(case: &Case<A>) -> usize {
    A::CONTRACT.basics.iter().position(|id| *id == case.id).unwrap_or(usize::MAX)
}
