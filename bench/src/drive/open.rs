//! An open loop: requests come at a rate, whether or not those before have been answered, as users do.
//!
//! A request's latency counts from the moment at which it was to be sent. If the generator or the server falls behind,
//! the waiting shows; a closed loop would have sent fewer.

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
use crate::cpu::Since;
use crate::failure::Failure;
use crate::tally::Tally;

/// How long answers are waited for that are still due at the end.
const PATIENCE: Duration = Duration::from_secs(10);

/// How to drive.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Requests per second.
    pub per_second: f64,
    /// Most in flight; what is due beyond is not sent, and has failed.
    pub most_in_flight: usize,
}

/// What all requests of a measurement share.
struct Shared<W: Work> {
    work: Arc<W>,
    board: Board,
    in_flight: AtomicUsize,
    /// Told of each answer.
    answered: Notify,
    window: Window,
}

/// Sends requests at a rate until the window ends, with the clients in turn. Latencies count of what was to be sent within
/// the window, and the rate of what was answered within it. Also the share of all cores that this process used.
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
    let cpu = Since::now();
    tokio::time::sleep_until(shared.window.until.into()).await;
    let cpu = cpu.share();
    // It ends at the same moment.
    tokio::task::spawn_blocking(move || pacer.join())
        .await
        .map_err(|why| Failure::of("the pacing thread", &why))?
        .map_err(|_| Failure::Failed("the pacing thread panicked".to_owned()))?;
    let all = async {
        while shared.in_flight.load(Ordering::Acquire) > 0 && !shared.board.is_wrong() {
            shared.answered.notified().await;
        }
    };
    // Those that are still unanswered then are counted.
    let _ = tokio::time::timeout(PATIENCE, all).await;
    let unanswered = shared.in_flight.load(Ordering::Acquire);
    let mut tallies = shared.board.sum()?;
    for _ in 0..unanswered {
        tallies[0].failed(CallFailure::Error("no answer within 10 s after the end".to_owned()));
    }
    Ok((tallies, cpu))
}

/// Sends what is due, then sleeps until the next is: after a late wake-up several are due at once.
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
    // The kernel may otherwise let a sleep last 50 µs longer than asked for.
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
        let who = number as usize;
        if shared.in_flight.load(Ordering::Acquire) >= rate.most_in_flight {
            if shared.window.holds(intended) {
                shared.board.count(who, 0, |tally| tally.unsent += 1);
            }
            continue;
        }
        shared.in_flight.fetch_add(1, Ordering::AcqRel);
        let client = clients[who % clients.len()].clone();
        let random = SmallRng::seed_from_u64(crate::value::mixed(seed << 32 | u64::from(number)));
        runtime.spawn(one(Arc::clone(shared), client, random, intended, who));
    }
}

async fn one<W: Work>(
    shared: Arc<Shared<W>>,
    mut client: W::Client,
    mut random: SmallRng,
    intended: Instant,
    who: usize,
) {
    let sample = shared.work.step(&mut client, &mut random).await;
    let now = Instant::now();
    let Shared { board, window, .. } = &*shared;
    board.judge(&sample.outcome);
    board.count(who, sample.class, |tally| match sample.outcome {
        Ok(done) => {
            if window.holds(now) {
                tally.completed();
            }
            if window.holds(intended) {
                tally.latency(now.saturating_duration_since(intended));
                if let Done::LostRace(_) = done {
                    tally.lost_races += 1;
                }
            }
        }
        Err(failure) if window.holds(intended) => tally.failed(failure),
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

    /// A target that serves one at a time, each in this time.
    struct Slow(Mutex<()>, Duration);

    impl Work for Slow {
        type Client = ();

        fn classes(&self) -> usize {
            1
        }

        async fn step(&self, (): &mut (), _: &mut SmallRng) -> Sample {
            let _turn = self.0.lock().await;
            tokio::time::sleep(self.1).await;
            // What a clock within the request would say, and what nobody who waits would agree with.
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
    async fn waiting_for_a_slow_target_counts_from_the_intended_start() {
        let tally = measured(1_000).await;
        let figures = tally.figures(Duration::from_millis(500), 0.0);
        // Fifty requests in half a second, served in a second: the last waits for half of it.
        assert_eq!(figures.answers, 50, "{figures:?}");
        assert!(figures.max_ns >= 450_000_000, "{figures:?}");
        assert!(figures.p50_ns >= 200_000_000, "{figures:?}");
        assert!(figures.rate <= 50.5, "no more are answered than can be: {figures:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_cannot_be_sent_has_failed() {
        let tally = measured(1).await;
        let figures = tally.figures(Duration::from_millis(500), 0.0);
        assert!(figures.unsent >= 20, "{figures:?}");
        assert_eq!(figures.answers + figures.unsent, 50, "{figures:?}");
    }
}
