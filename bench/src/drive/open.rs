//! Open loop: requests at a fixed rate, independent of outstanding answers, like independent users.
//!
//! Latency counts from the intended send time, so a lag of generator or server shows (no coordinated omission); a closed
//! loop would send fewer requests instead.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::{Board, Done, Window, Work};
use crate::client::CallFailure;
use crate::cpu::CpuMeter;
use crate::failure::Failure;
use crate::tally::Tally;

/// Wait limit for outstanding answers after the window.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The target rate.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Requests per second.
    pub per_second: f64,
    /// Maximum in flight; requests due beyond it are not sent and count as failed.
    pub most_in_flight: usize,
}

/// State shared by all requests of a measurement.
struct Shared<W: Work> {
    work: Arc<W>,
    board: Board,
    in_flight: AtomicUsize,
    /// Notified of each answer.
    answered: Notify,
    window: Window,
}

/// Sends requests at a rate until the end of the window, round robin over the clients. Latencies count for requests due
/// within the window, the rate for answers within it. Also returns the fraction of all cores used by this process.
///
/// # Errors
/// An answer was wrong.
pub async fn measure<W: Work>(
    clients: Vec<W::Client>,
    work: &Arc<W>,
    warm_up: Duration,
    length: Duration,
    rate: Rate,
    seed: u64,
) -> Result<(Vec<Tally>, f64), Failure>
where
    W::Client: Clone,
{
    let began = Instant::now();
    let from = began + warm_up;
    let shared = Arc::new(Shared {
        work: Arc::clone(work),
        board: Board::new(work.classes()),
        in_flight: AtomicUsize::new(0),
        answered: Notify::new(),
        window: Window { from, until: from + length },
    });
    let runtime = Handle::current();
    let pacer = {
        let shared = Arc::clone(&shared);
        std::thread::spawn(move || pace(&shared, &clients, &runtime, began, rate, seed))
    };
    tokio::time::sleep_until(from.into()).await;
    let cpu = CpuMeter::start();
    tokio::time::sleep_until(shared.window.until.into()).await;
    let cpu = cpu.share();
    // The pacing thread ends at the same time.
    tokio::task::spawn_blocking(move || pacer.join())
        .await
        .map_err(|why| Failure::of("the pacing thread", &why))?
        .map_err(|_| Failure::Failed("the pacing thread panicked".to_owned()))?;
    let all = async {
        while shared.in_flight.load(Ordering::Acquire) > 0 && !shared.board.is_wrong() {
            shared.answered.notified().await;
        }
    };
    // Requests still unanswered after the timeout are counted as failed.
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, all).await;
    let unanswered = shared.in_flight.load(Ordering::Acquire);
    let mut tallies = shared.board.sum()?;
    for _ in 0..unanswered {
        tallies[0].failed(CallFailure::Error("no answer within 10 s after the end".to_owned()));
    }
    Ok((tallies, cpu))
}

/// Sends due requests, then sleeps until the next one; after a late wake-up several are due at once.
fn pace<W: Work>(
    shared: &Arc<Shared<W>>,
    clients: &[W::Client],
    runtime: &Handle,
    began: Instant,
    rate: Rate,
    seed: u64,
) where
    W::Client: Clone,
{
    // The kernel's default timer slack may extend a sleep by 50 µs.
    let _ = rustix::thread::set_current_timer_slack(NonZero::new(1));
    for number in 0_u32.. {
        let intended = began + Duration::from_secs_f64(f64::from(number) / rate.per_second);
        if intended >= shared.window.until || shared.board.is_wrong() {
            return;
        }
        let wait = intended.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        let worker = number as usize;
        if shared.in_flight.load(Ordering::Acquire) >= rate.most_in_flight {
            if shared.window.contains(intended) {
                shared.board.count(worker, 0, |tally| tally.unsent += 1);
            }
            continue;
        }
        shared.in_flight.fetch_add(1, Ordering::AcqRel);
        let client = clients[worker % clients.len()].clone();
        let random = SmallRng::seed_from_u64(crate::value::splitmix64(seed << 32 | u64::from(number)));
        runtime.spawn(run_step(Arc::clone(shared), client, random, intended, worker));
    }
}

async fn run_step<W: Work>(
    shared: Arc<Shared<W>>,
    mut client: W::Client,
    mut random: SmallRng,
    intended: Instant,
    worker: usize,
) {
    let sample = shared.work.step(&mut client, &mut random).await;
    let now = Instant::now();
    let Shared { board, window, .. } = &*shared;
    board.check(&sample.outcome);
    board.count(worker, sample.class, |tally| match sample.outcome {
        Ok(done) => {
            if window.contains(now) {
                tally.completed();
            }
            if window.contains(intended) {
                tally.latency(now.saturating_duration_since(intended));
                if let Done::LostRace(_) = done {
                    tally.lost_races += 1;
                }
            }
        }
        Err(failure) if window.contains(intended) => tally.failed(failure),
        Err(_) => {}
    });
    shared.in_flight.fetch_sub(1, Ordering::AcqRel);
    shared.answered.notify_one();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::Sample;
    use tokio::sync::Mutex;

    /// A target that serves one request at a time, each with this latency.
    struct Slow(Mutex<()>, Duration);

    impl Work for Slow {
        type Client = ();

        fn classes(&self) -> usize {
            1
        }

        async fn step(&self, (): &mut (), _: &mut SmallRng) -> Sample {
            let _guard = self.0.lock().await;
            tokio::time::sleep(self.1).await;
            // The service time, which excludes the time spent waiting.
            Sample { class: 0, outcome: Ok(Done::After(self.1)) }
        }
    }

    async fn measured(most_in_flight: usize) -> Tally {
        let work = Arc::new(Slow(Mutex::new(()), Duration::from_millis(20)));
        let rate = Rate { per_second: 100.0, most_in_flight };
        let length = Duration::from_millis(500);
        measure(vec![()], &work, Duration::ZERO, length, rate, 1).await.unwrap().0.remove(0)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn latency_counts_from_the_intended_start() {
        let tally = measured(1_000).await;
        let figures = tally.figures(Duration::from_millis(500), 0.0);
        // Fifty requests in half a second, served in a second: the last waits for half of it.
        assert_eq!(figures.answers, 50, "{figures:?}");
        assert!(figures.max_ns >= 450_000_000, "{figures:?}");
        assert!(figures.p50_ns >= 200_000_000, "{figures:?}");
        assert!(figures.rate <= 50.5, "above the target's capacity: {figures:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn requests_that_cannot_be_sent_are_counted() {
        let tally = measured(1).await;
        let figures = tally.figures(Duration::from_millis(500), 0.0);
        assert!(figures.unsent >= 20, "{figures:?}");
        assert_eq!(figures.answers + figures.unsent, 50, "{figures:?}");
    }
}
