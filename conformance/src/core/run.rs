//! Case execution: one fresh store per case, a timeout, and an explicit verdict.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;

pub use super::case::Obstacle;
use super::panic::catch;
pub use super::suite::{Options, Progress, suite, suite_with_progress};
use super::{
    Abstraction, Budget, Case, Ctx, Divergence, Harness, Outcome, Proof, Step, Stop, Transcript, line, span,
};

/// The settings of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The amount of random and concurrent work.
    pub budget: Budget,
    /// The random seed.
    pub seed: u64,
    /// Timeout per case.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { budget: Budget::Quick, seed: 1, timeout: Duration::from_mins(1) }
    }
}

impl Settings {
    /// Settings with this budget and seed, and the budget's timeout per case. The timeout is many times what a case needs:
    /// it is for cases that never end, and a machine may be busy. A call without a response ends its case much sooner.
    pub fn of(budget: Budget, seed: u64) -> Self {
        let minutes = budget.pick(5, 15, 60);
        Self { budget, seed, timeout: Duration::from_mins(minutes) }
    }
}

/// The verdict of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The store conforms to the proved rules.
    Passed,
    /// The store diverged from the contract.
    Failed(Divergence),
    /// No result either way.
    Inconclusive(String),
    /// The harness failed.
    Broken(String),
    /// Not run, for this reason.
    Skipped(Obstacle),
}

/// A case and its result.
#[derive(Clone)]
pub struct CaseResult<A: Abstraction> {
    /// The case.
    pub case: &'static Case<A>,
    /// The verdict.
    pub verdict: Verdict,
    /// The recorded requests and responses.
    pub transcript: Transcript<A>,
    /// Documents attached by the case: a file name and its content.
    pub attachments: Vec<(String, String)>,
    /// The duration, including the opening of the store.
    pub elapsed: Duration,
}

impl<A: Abstraction> CaseResult<A> {
    /// Whether the case failed because a response never arrived.
    pub(crate) fn timed_out(&self) -> bool {
        let timed_out =
            |step: &Step<A>| matches!(&step.outcome, Outcome::Failed(failure) if failure.is_client_timeout());
        let Verdict::Failed(divergence) = &self.verdict else { return false };
        divergence.actual == TIMED_OUT || self.transcript.steps.iter().any(timed_out)
    }
}

/// The actual outcome of a case that exceeded its timeout.
const TIMED_OUT: &str = "no response to the next step";

/// Runs one case on a fresh store of `harness`.
pub async fn run_case<A: Abstraction>(
    harness: &dyn Harness<A>,
    case: &'static Case<A>,
    settings: Settings,
) -> CaseResult<A> {
    prove(harness, case, settings, Server::ForCase, |ctx| (case.run)(ctx)).await
}

/// The server that a proof runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// The server that the harness assigns to the case, possibly shared; abilities are limited to those of the case.
    ForCase,
    /// A dedicated server, with all abilities of the harness.
    Dedicated,
}

/// Runs `proof` on behalf of `case` on a fresh store of `harness`.
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
        Server::ForCase => (harness.open_for(case).await, case.permitted_abilities(harness)),
        Server::Dedicated => (harness.open().await, harness.abilities()),
    };
    let instance = match opened {
        Ok(instance) => instance,
        Err(error) => return done(Verdict::Broken(error.to_string()), Transcript::default(), Vec::new()),
    };
    let ctx = Ctx::new(instance, fresh_namespace(), harness.mode(), settings.budget, settings.seed)
        .offering(harness.capabilities(), abilities);
    let mut panics = Vec::new();
    let verdict = match tokio::time::timeout(settings.timeout, catch(proof(&ctx), &mut panics)).await {
        Ok(Ok(Ok(()))) => Verdict::Passed,
        Ok(Ok(Err(Stop::Diverged(divergence)))) => Verdict::Failed(divergence),
        Ok(Ok(Err(Stop::Inconclusive(why)))) => Verdict::Inconclusive(why),
        Ok(Ok(Err(Stop::Broken(why)))) => Verdict::Broken(why),
        Ok(Err(panic)) => {
            if let Some(trace) = &panic.backtrace {
                ctx.attach("backtrace.txt", trace.as_str());
            }
            Verdict::Failed(at_last_step(&ctx, "a response", panic.to_string()))
        }
        Err(_) => {
            let limit = format!("completion within {}", span(settings.timeout));
            Verdict::Failed(at_last_step(&ctx, limit, TIMED_OUT.to_owned()))
        }
    };
    if let Verdict::Failed(divergence) = &verdict {
        ctx.put_beside(
            panics.iter().map(|panic| format!("the backend caught {}", line(&panic.to_string(), 400))),
        );
        let said = ctx.said_about(divergence.step).await;
        ctx.put_beside(said);
    }
    let mut attachments = ctx.take_attachments();
    if verdict != Verdict::Passed {
        attachments.extend(ctx.instance().log().map(|log| ("server.log".to_owned(), log)));
    }
    let transcript = ctx.take_transcript();
    let verdict = match verdict {
        Verdict::Failed(divergence) => Verdict::Failed(A::named(&transcript, &divergence)),
        other => other,
    };
    done(verdict, transcript, attachments)
}

fn at_last_step<A: Abstraction>(ctx: &Ctx<A>, expected: impl Into<String>, actual: String) -> Divergence {
    let step = ctx.take_transcript().steps.len().checked_sub(1);
    Divergence { step, expected: expected.into(), actual }
}

/// The prefix of all namespaces that this process creates: `conformance-`, the time and the process id, so that a collision
/// with another run or machine is unlikely. A server need not be empty, and a run's leftovers can be identified.
pub fn namespace_prefix() -> &'static str {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        format!("conformance-{nanos:x}-{:x}-", std::process::id())
    })
}

/// A unique namespace prefix: no case's prefix is a prefix of another's.
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
    const UNDECLARED: Case = RESTARTS;
    const ALONE: Case = RESTARTS.needs(&[Need::Alone]);

    #[test]
    fn no_namespace_is_a_prefix_of_another() {
        let mut names: Vec<_> = (0..600).map(|_| fresh_namespace()).collect();
        names.sort();
        for pair in names.windows(2) {
            assert!(!pair[1].starts_with(&pair[0]), "{pair:?}");
            assert!(pair[0].starts_with(namespace_prefix()), "{pair:?}");
        }
    }

    #[tokio::test]
    async fn only_a_case_with_exclusive_use_may_disturb_its_server() {
        static CASES: [Case; 2] = [UNDECLARED, ALONE];
        let open = |_: Arc<()>| async { Ok::<_, OpenError>(Memory::default()) };
        let harness = InProcess::durable("restarts", || Ok(()), open);
        let verdict = async |case| run_case(&harness, case, Settings::default()).await.verdict;
        let rejected = "the case uses 'crash' without declaring it among its needs";
        assert_eq!(verdict(&CASES[0]).await, Verdict::Broken(rejected.to_owned()));
        assert_eq!(verdict(&CASES[1]).await, Verdict::Passed);
    }
}
