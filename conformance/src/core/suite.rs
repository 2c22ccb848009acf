//! The whole suite against one harness, several cases at a time, with a report at the end.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::known::KnownFailures;
use super::plan::{Omission, Selection};
use super::report::{self, CaseReport, Replay, Report, RunInfo, Target, case_report};
use super::run::{CaseResult, Settings, Verdict, run_case};
use super::{Abstraction, Case, Harness, Transcript};

/// How a run of the whole suite goes about it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Budget, seed and the time that a case may take.
    pub settings: Settings,
    /// Which cases.
    pub selection: Selection,
    /// Which failures are known.
    pub known: KnownFailures,
    /// How many cases run at once.
    pub jobs: NonZero<usize>,
    /// Whether the report keeps the transcripts of cases that passed.
    pub trace: bool,
    /// What the report names as the way to run a case again.
    pub replay: Replay,
    /// Where the documents that failing cases make are written; `None`: they stay in the report.
    pub attachments: Option<PathBuf>,
    /// More to say about the target, such as its address.
    pub details: Vec<(String, String)>,
}

impl Default for Options {
    /// Everything, quickly, as many cases at once as there are processors.
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
            attachments: None,
            details: Vec::new(),
        }
    }
}

/// So many cases in a row that end without an answer end the run: each of them waited for long, and the others would, too.
const SILENCE: usize = 12;

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

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Cases done.
    pub done: usize,
    /// Cases that run.
    pub of: usize,
}

/// Runs the suite, and tells each case as it is done.
pub async fn suite_with_progress<A: Abstraction>(
    harness: Arc<dyn Harness<A>>,
    options: &Options,
    mut tell: impl FnMut(&CaseReport, Progress) + Send,
) -> Report {
    let (started, began) = (report::utc_now(), Instant::now());
    let settings = options.settings;
    let replay = |case: &Case<A>| options.replay.of(harness.name(), case.id, settings);
    let all: Vec<&'static Case<A>> = A::cases().collect();
    let mut waiting = Vec::new();
    let mut done: BTreeMap<usize, CaseReport> = BTreeMap::new();
    for (at, case) in all.iter().copied().enumerate() {
        match (case.obstacle(&*harness), options.selection.omits(case)) {
            // What could not run here anyway was not left out by anybody.
            (Some(obstacle), _) => {
                let result = CaseResult {
                    case,
                    verdict: Verdict::Skipped(obstacle),
                    transcript: Transcript::default(),
                    attachments: Vec::new(),
                    elapsed: Duration::ZERO,
                };
                done.insert(at, case_report(&result, &options.known, replay(case), options.trace));
            }
            (None, Some(why)) => {
                done.insert(at, report::omitted(case, &why, replay(case)));
            }
            (None, None) => waiting.push((at, case)),
        }
    }
    let of = waiting.len();
    waiting.sort_by_key(|(_, case)| !case.may_take_long());
    let mut waiting = waiting.into_iter();
    let mut running = JoinSet::new();
    let mut silent = 0;
    loop {
        while silent < SILENCE
            && running.len() < options.jobs.get()
            && let Some((at, case)) = waiting.next()
        {
            let harness = Arc::clone(&harness);
            running.spawn(async move { (at, run_case(&*harness, case, settings).await) });
        }
        let Some(joined) = running.join_next().await else { break };
        // A case's own panic is its verdict, so this is a panic of the suite, which must not pass as a result.
        let (at, result) = joined.expect("running a case does not panic");
        silent = if result.met_silence() { silent + 1 } else { 0 };
        let mut case = case_report(&result, &options.known, replay(result.case), options.trace);
        if let Some(folder) = &options.attachments {
            case.save_attachments(folder);
            case.replay_shrunk = options.replay.shrunk(&case);
        }
        tell(&case, Progress { done: of - waiting.len() - running.len(), of });
        done.insert(at, case);
    }
    for (at, case) in waiting {
        done.insert(at, report::omitted(case, &Omission::Silence(silent), replay(case)));
    }
    let mut target = Target::of(&*harness);
    target.details.clone_from(&options.details);
    let info =
        RunInfo::before(A::CONTRACT, settings, started, options.replay.whole(harness.name(), settings));
    report::report(
        target,
        info,
        began.elapsed(),
        &options.selection,
        &options.known,
        done.into_values().collect(),
    )
}
