//! Running cases: one fresh store each, a bound on its time, and a verdict that is never silent.

use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::FutureExt;
use futures::future::BoxFuture;

pub use super::case::Obstacle;
pub use super::suite::{Options, Progress, suite, suite_with_progress};
use super::{Abstraction, Budget, Case, Ctx, Divergence, Harness, Outcome, Proof, Step, Stop, Transcript};

/// How a run goes about its cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How much random and concurrent work.
    pub budget: Budget,
    /// For everything random.
    pub seed: u64,
    /// Longest that one case may take.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { budget: Budget::Quick, seed: 1, timeout: Duration::from_mins(1) }
    }
}

impl Settings {
    /// This budget and seed, with the time that a case may take on such a budget. It is many times what a case needs, since
    /// it is there for what never ends, and a machine may be busy; a call that is not answered ends its case much sooner.
    pub fn of(budget: Budget, seed: u64) -> Self {
        let minutes = budget.pick(5, 15, 60);
        Self { budget, seed, timeout: Duration::from_mins(minutes) }
    }
}

/// What a case showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The store keeps what the case proves.
    Passed,
    /// The store parted from the contract.
    Failed(Divergence),
    /// Nothing was shown either way.
    Inconclusive(String),
    /// The harness failed.
    Broken(String),
    /// It did not run, for this reason.
    Skipped(Obstacle),
}

/// A case and what it showed.
#[derive(Clone)]
pub struct CaseResult<A: Abstraction> {
    /// The case.
    pub case: &'static Case<A>,
    /// What it showed.
    pub verdict: Verdict,
    /// What was said.
    pub transcript: Transcript<A>,
    /// Documents that the case made: a file name and its content.
    pub attachments: Vec<(String, String)>,
    /// How long it took, the opening of the store included.
    pub elapsed: Duration,
}

impl<A: Abstraction> CaseResult<A> {
    /// Whether it failed because an answer did not come at all.
    pub(crate) fn met_silence(&self) -> bool {
        let silent =
            |step: &Step<A>| matches!(&step.outcome, Outcome::Failed(failure) if failure.is_silence());
        let Verdict::Failed(divergence) = &self.verdict else { return false };
        divergence.actual == NO_END || self.transcript.steps.iter().any(silent)
    }
}

/// What is said of a case that did not come to its end in time.
const NO_END: &str = "no answer to what comes next";

/// Runs one case on a fresh store of `harness`.
pub async fn run_case<A: Abstraction>(
    harness: &dyn Harness<A>,
    case: &'static Case<A>,
    settings: Settings,
) -> CaseResult<A> {
    prove(harness, case, settings, Server::OfTheCase, |ctx| (case.run)(ctx)).await
}

/// Which server a proof gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// The one that the harness gives to the case, perhaps to others at once; the proof may do what the case may.
    OfTheCase,
    /// One of its own, to which everything may be done that the harness can.
    OfItsOwn,
}

/// Runs `proof` in the name of `case` on a fresh store of `harness`.
pub(crate) async fn prove<A: Abstraction>(
    harness: &dyn Harness<A>,
    case: &'static Case<A>,
    settings: Settings,
    server: Server,
    proof: impl for<'c> FnOnce(&'c Ctx<A>) -> BoxFuture<'c, Proof>,
) -> CaseResult<A> {
    let started = Instant::now();
    let done = |verdict, transcript, attachments| CaseResult {
        case,
        verdict,
        transcript,
        attachments,
        elapsed: started.elapsed(),
    };
    if let Some(obstacle) = case.obstacle(harness) {
        return done(Verdict::Skipped(obstacle), Transcript::default(), Vec::new());
    }
    let (opened, abilities) = match server {
        Server::OfTheCase => (harness.open_for(case).await, case.may_do(harness)),
        Server::OfItsOwn => (harness.open().await, harness.abilities()),
    };
    let instance = match opened {
        Ok(instance) => instance,
        Err(error) => return done(Verdict::Broken(error.to_string()), Transcript::default(), Vec::new()),
    };
    let ctx = Ctx::new(instance, fresh_namespace(), harness.mode(), settings.budget, settings.seed)
        .offering(harness.claims(), abilities);
    let proof = AssertUnwindSafe(proof(&ctx)).catch_unwind();
    let verdict = match tokio::time::timeout(settings.timeout, proof).await {
        Ok(Ok(Ok(()))) => Verdict::Passed,
        Ok(Ok(Err(Stop::Diverged(divergence)))) => Verdict::Failed(divergence),
        Ok(Ok(Err(Stop::Inconclusive(why)))) => Verdict::Inconclusive(why),
        Ok(Ok(Err(Stop::Broken(why)))) => Verdict::Broken(why),
        Ok(Err(panic)) => Verdict::Failed(at_the_end(&ctx, "an answer", panic_text(&*panic))),
        Err(_) => {
            let limit = format!("an end within {:?}", settings.timeout);
            Verdict::Failed(at_the_end(&ctx, limit, NO_END.to_owned()))
        }
    };
    let mut attachments = ctx.take_attachments();
    if verdict != Verdict::Passed {
        attachments.extend(ctx.instance().log().map(|log| ("server.log".to_owned(), log)));
    }
    done(verdict, ctx.take_transcript(), attachments)
}

fn at_the_end<A: Abstraction>(ctx: &Ctx<A>, expected: impl Into<String>, actual: String) -> Divergence {
    let step = ctx.take_transcript().steps.len().checked_sub(1);
    Divergence { step, expected: expected.into(), actual }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a panic: {}", text.unwrap_or("without words"))
}

/// What the names of all namespaces begin with that this process makes: `conformance-`, the time and the process's id, so
/// that neither another run nor another machine is likely to use one. A server need not be empty, and what a run has left
/// there can be told from everything else.
pub fn namespace_prefix() -> &'static str {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        format!("conformance-{nanos:x}-{:x}-", std::process::id())
    })
}

/// A namespace that no other case uses, with whatever suffix: none begins with another one.
pub(crate) fn fresh_namespace() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // The last dash keeps case 1 with suffix "2" apart from case 12.
    format!("{}{:x}-", namespace_prefix(), COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prism_contract::keyvalue::Memory;

    use super::{Settings, Verdict, fresh_namespace, namespace_prefix, run_case};
    use crate::core::{OpenError, Restart};
    use crate::keyvalue::{Case, InProcess, Need};

    const RESTARTS: Case = Case::new("test::restarts", "A case that restarts its store.", &["DUR-1"], |c| {
        Box::pin(c.restart(Restart::Crash))
    });
    const WITHOUT_A_WORD: Case = RESTARTS;
    const ALONE: Case = RESTARTS.needs(&[Need::Alone]);

    #[test]
    fn no_case_s_namespace_begins_with_that_of_another() {
        let mut names: Vec<_> = (0..600).map(|_| fresh_namespace()).collect();
        names.sort();
        for pair in names.windows(2) {
            assert!(!pair[1].starts_with(&pair[0]), "{pair:?}");
            assert!(pair[0].starts_with(namespace_prefix()), "{pair:?}");
        }
    }

    #[tokio::test]
    async fn only_a_case_that_is_alone_may_disturb_its_server() {
        static CASES: [Case; 2] = [WITHOUT_A_WORD, ALONE];
        let open = |_: Arc<()>| async { Ok::<_, OpenError>(Memory::default()) };
        let harness = InProcess::durable("restarts", || Ok(()), open);
        let verdict = async |case| run_case(&harness, case, Settings::default()).await.verdict;
        let refused = "the case asks for 'crash', which it does not name among its needs";
        assert_eq!(verdict(&CASES[0]).await, Verdict::Broken(refused.to_owned()));
        assert_eq!(verdict(&CASES[1]).await, Verdict::Passed);
    }
}
