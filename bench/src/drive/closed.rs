//! Closed loop: each client starts its next step after the answer to the previous one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;

use super::{Board, Done, Window, Work};
use crate::cpu::CpuMeter;
use crate::failure::Failure;
use crate::tally::Tally;

/// Wait limit for outstanding answers after the window.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The result of a measurement.
#[derive(Debug)]
pub struct Measured<C> {
    /// The clients, for reuse.
    pub clients: Vec<C>,
    /// The tally of each class.
    pub tallies: Vec<Tally>,
    /// The fraction of all cores used by this process.
    pub cpu: f64,
}

/// Runs all clients until the end of the window. Only answers within it count. `seed` seeds the random choices.
///
/// # Errors
/// An answer was wrong, or still missing half a minute after the end.
pub async fn measure<W: Work>(
    clients: Vec<W::Client>,
    work: &Arc<W>,
    warm_up: Duration,
    length: Duration,
    seed: u64,
) -> Result<Measured<W::Client>, Failure> {
    let window = Window::after(warm_up, length);
    let board = Arc::new(Board::new(work.classes()));
    let mut tasks = JoinSet::new();
    for (worker, client) in clients.into_iter().enumerate() {
        let (work, board) = (Arc::clone(work), Arc::clone(&board));
        let random = SmallRng::seed_from_u64(crate::value::splitmix64(seed << 32 | worker as u64));
        tasks.spawn(async move { run(client, &*work, &board, window, worker, random).await });
    }
    tokio::time::sleep_until(window.from.into()).await;
    let cpu = CpuMeter::start();
    tokio::time::sleep_until(window.until.into()).await;
    let cpu = cpu.share();
    let ended = tokio::time::timeout(DRAIN_TIMEOUT, tasks.join_all()).await;
    let tallies = board.sum()?;
    let clients =
        ended.map_err(|_| Failure::Failed("answers still missing half a minute after the end".to_owned()))?;
    Ok(Measured { clients, tallies, cpu })
}

async fn run<W: Work>(
    mut client: W::Client,
    work: &W,
    board: &Board,
    window: Window,
    worker: usize,
    mut random: SmallRng,
) -> W::Client {
    while Instant::now() < window.until && !board.is_wrong() {
        let sample = work.step(&mut client, &mut random).await;
        board.check(&sample.outcome);
        if window.contains(Instant::now()) {
            board.count(worker, sample.class, |tally| match sample.outcome {
                Ok(done) => {
                    tally.completed();
                    tally.latency(done.took());
                    if let Done::LostRace(_) = done {
                        tally.lost_races += 1;
                    }
                }
                Err(failure) => tally.failed(failure),
            });
        }
    }
    client
}
