//! Health with scripted checks and scripted outcomes of calls, on a paused clock.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use prism_contract::{Swept, Timestamp};
use tonic::Code;

use super::*;

const INTERVAL: Duration = Duration::from_secs(1);

/// The outcome of checks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Script {
    Passes,
    Fails,
    Hangs,
}

struct Scripted {
    script: Mutex<Script>,
    checks: AtomicUsize,
    inside: Arc<AtomicUsize>,
}

struct Inside(Arc<AtomicUsize>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Lifecycle for Scripted {
    async fn check(&self) -> Result<(), Error> {
        self.checks.fetch_add(1, Ordering::SeqCst);
        self.inside.fetch_add(1, Ordering::SeqCst);
        let _inside = Inside(Arc::clone(&self.inside));
        let script = *self.script.lock().unwrap();
        match script {
            Script::Passes => Ok(()),
            Script::Fails => Err(Error::unavailable("as the test asked")),
            Script::Hangs => std::future::pending().await,
        }
    }

    async fn sweep(&self, _: Timestamp) -> Result<Swept, Error> {
        Ok(Swept::default())
    }

    async fn close(&self) {}
}

struct Bench {
    backend: Arc<Scripted>,
    health: OfBackend,
}

impl Bench {
    async fn start() -> Self {
        let backend = Arc::new(Scripted {
            script: Mutex::new(Script::Passes),
            checks: AtomicUsize::new(0),
            inside: Arc::default(),
        });
        let health = OfBackend::watch("default", Arc::clone(&backend) as Arc<dyn Lifecycle>, INTERVAL).await;
        let bench = Self { backend, health };
        assert!(bench.is_serving());
        bench
    }

    fn checks(&self, script: Script) {
        *self.backend.script.lock().unwrap() = script;
    }

    fn is_serving(&self) -> bool {
        self.health.published.borrow().status == ServingStatus::Serving
    }

    fn ends(&self, call: Call, name: &str, code: Code) {
        self.health.outcomes.record(call, code, || tenant(name));
    }

    /// Ends one of each of these calls every 50 ms for `time`. Returns whether it was serving, each time.
    async fn calls(&self, time: Duration, calls: &[(Call, &str, Code)]) -> Vec<bool> {
        let end = Instant::now() + time;
        let mut serving = Vec::new();
        while Instant::now() < end {
            for &(call, name, code) in calls {
                self.ends(call, name, code);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            serving.push(self.is_serving());
        }
        serving
    }
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[tokio::test(start_paused = true)]
async fn a_check_that_times_out_is_ignored_while_calls_succeed() {
    let bench = Bench::start().await;
    bench.checks(Script::Hangs);
    for call in [Call::Get, Call::Put, Call::Other] {
        let serving = bench.calls(secs(10), &[(call, "a", Code::Ok)]).await;
        assert!(serving.iter().all(|&serving| serving), "{call:?}");
    }
    let serving = bench.calls(secs(10), &[(Call::Get, "a", Code::DeadlineExceeded)]).await;
    assert_eq!(serving.last(), Some(&false), "no call succeeds any more");
    assert!(bench.backend.inside.load(Ordering::SeqCst) <= 1, "checks were left behind");
    // Successful calls while it is not serving show that it is back.
    let serving = bench.calls(secs(3), &[(Call::Get, "a", Code::Ok)]).await;
    assert_eq!(serving.last(), Some(&true));
}

#[tokio::test(start_paused = true)]
async fn a_failed_check_is_overridden_by_puts_and_not_by_gets() {
    let bench = Bench::start().await;
    bench.checks(Script::Fails);
    // The check takes no time here, so no call ends during one.
    let serving = bench.calls(secs(3), &[(Call::Get, "a", Code::Ok)]).await;
    assert_eq!(serving.last(), Some(&false));

    let (outcomes, mut judge) = (Outcomes::default(), Judge::new(INTERVAL));
    for (call, wanted) in [(Call::Get, Verdict::Unavailable), (Call::Put, Verdict::Serving)] {
        judge.check_begins(&outcomes);
        outcomes.record(call, Code::Ok, || 1);
        assert_eq!(judge.verdict(Check::Failed, &outcomes), wanted, "{call:?}");
    }
    judge.check_begins(&outcomes);
    assert_eq!(
        judge.verdict(Check::Failed, &outcomes),
        Verdict::Unavailable,
        "a Put before the check overrode it"
    );
}

#[tokio::test(start_paused = true)]
async fn failing_puts_are_not_serving_within_two_seconds_and_one_success_is_serving() {
    let bench = Bench::start().await;
    bench.calls(secs(5), &[(Call::Put, "a", Code::Ok), (Call::Get, "a", Code::Ok)]).await;
    let full = [(Call::Put, "a", Code::Unavailable), (Call::Get, "a", Code::Ok)];
    let serving = bench.calls(secs(30), &full).await;
    let red = serving.iter().position(|serving| !serving).expect("it never stopped serving");
    assert!(red <= 40, "after {red} times 50 ms");
    assert!(serving[red..].iter().all(|serving| !serving), "it was serving at times");
    bench.ends(Call::Put, "a", Code::Ok);
    tokio::time::sleep(2 * INTERVAL).await;
    assert!(bench.is_serving());
}

#[tokio::test(start_paused = true)]
async fn without_calls_health_turns_green_again_after_a_doubling_time() {
    let bench = Bench::start().await;
    let mut red_times = Vec::new();
    for _ in 0..6 {
        let serving = bench.calls(secs(3), &[(Call::Put, "a", Code::Unavailable)]).await;
        assert_eq!(serving.last(), Some(&false));
        let begun = Instant::now();
        while !bench.is_serving() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        red_times.push(begun.elapsed().as_secs());
    }
    let wanted = [5, 10, 20, 40, 60, 60];
    let close = red_times.iter().zip(wanted).all(|(&time, wanted)| time.abs_diff(wanted) <= 1);
    assert!(close, "{red_times:?}");
    bench.ends(Call::Put, "a", Code::Ok);
    let serving = bench.calls(secs(3), &[(Call::Put, "a", Code::Unavailable)]).await;
    assert_eq!(serving.last(), Some(&false));
    tokio::time::sleep(secs(7)).await;
    assert!(bench.is_serving(), "a success does not reset the time");
}

#[tokio::test(start_paused = true)]
async fn one_tenant_cannot_turn_health_red_for_others() {
    let bench = Bench::start().await;
    let provoked = (Call::Put, "hostile", Code::Unavailable);
    // While another tenant succeeds.
    let serving = bench.calls(secs(10), &[provoked, (Call::Put, "neighbour", Code::Ok)]).await;
    assert!(serving.iter().all(|&serving| serving));
    // While the other is idle.
    let serving = bench.calls(secs(50), &[provoked]).await;
    assert!(serving.iter().all(|&serving| serving));
    // Calls whose cost the tenant chooses are ignored.
    let expensive =
        [(Call::Other, "hostile", Code::Unavailable), (Call::Other, "accomplice", Code::Unavailable)];
    let serving = bench.calls(secs(10), &expensive).await;
    assert!(serving.iter().all(|&serving| serving));
    // If the other fails too, it is the backend.
    bench.ends(Call::Put, "neighbour", Code::Ok);
    let serving = bench.calls(secs(3), &[provoked, (Call::Put, "neighbour", Code::Unavailable)]).await;
    assert_eq!(serving.last(), Some(&false));
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_failures_is_not_an_outage() {
    let bench = Bench::start().await;
    bench.calls(secs(5), &[(Call::Put, "a", Code::Ok)]).await;
    for _ in 0..1_000 {
        bench.ends(Call::Put, "a", Code::Unavailable);
        bench.ends(Call::Put, "b", Code::Unavailable);
    }
    // No further Put shows an outage.
    let serving = bench.calls(secs(5), &[(Call::Get, "a", Code::Ok)]).await;
    assert!(serving.iter().all(|&serving| serving), "{serving:?}");
}

#[tokio::test(start_paused = true)]
async fn failing_gets_are_not_serving_either() {
    let bench = Bench::start().await;
    let serving = bench.calls(secs(3), &[(Call::Get, "a", Code::Unavailable)]).await;
    assert_eq!(serving.last(), Some(&false));
}

#[tokio::test(start_paused = true)]
async fn failing_calls_trigger_an_immediate_check_at_a_limited_rate() {
    let bench = Bench::start().await;
    tokio::time::sleep(INTERVAL / 2).await;
    let before = bench.backend.checks.load(Ordering::SeqCst);
    bench.ends(Call::Put, "a", Code::Unavailable);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(bench.backend.checks.load(Ordering::SeqCst), before + 1);
    for _ in 0..400 {
        bench.ends(Call::Put, "a", Code::Unavailable);
        bench.ends(Call::Put, "a", Code::Ok);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let checks = bench.backend.checks.load(Ordering::SeqCst) - before;
    assert!((4..=6).contains(&checks), "{checks} checks in 0.4 s");
}

fn published(status: ServingStatus, last: bool) -> watch::Sender<Published> {
    watch::channel(Published { status, last }).0
}

#[tokio::test]
async fn several_statuses_are_serving_if_all_are_and_a_drain_is_final() {
    let (serving, not) = (ServingStatus::Serving, ServingStatus::NotServing);
    let (one, other, server) =
        (published(serving, false), published(serving, false), published(serving, false));
    let mut watched = Watched::new([&one, &other, &server].map(watch::Sender::subscribe));
    let mut seen = || {
        let Published { status, last } = watched.published();
        (status, last)
    };
    assert_eq!(seen(), (serving, false));
    other.send_replace(Published { status: not, last: false });
    assert_eq!(seen(), (not, false));
    other.send_replace(Published { status: serving, last: false });
    assert_eq!(seen(), (serving, false));
    server.send_replace(Published { status: not, last: true });
    assert_eq!(seen(), (not, true));
    one.send_replace(Published { status: serving, last: false });
    assert_eq!(seen(), (not, true));
}
