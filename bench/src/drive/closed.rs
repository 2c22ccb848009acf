//! A closed loop: each client takes its next step when it has the answer to the last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;

use super::{Board, Done, Window, Work};
use crate::cpu::Since;
use crate::failure::Failure;
use crate::tally::Tally;

/// How long answers may take that are still due at the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was measured.
#[derive(Debug)]
pub struct Measured<C> {
    /// The clients, for the next time.
    pub clients: Vec<C>,
    /// What was counted of each class.
    pub tallies: Vec<Tally>,
    /// The share of all cores that this process used.
    pub cpu: f64,
}

/// All clients work until the window ends. Only what is answered within it counts. `seed` makes the choices.
///
/// # Errors
/// An answer was wrong, or there was none for half a minute after the end.
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
    for (who, client) in clients.into_iter().enumerate() {
        let (work, board) = (Arc::clone(work), Arc::clone(&board));
        let random = SmallRng::seed_from_u64(crate::value::mixed(seed << 32 | who as u64));
        tasks.spawn(async move { run(client, &*work, &board, window, who, random).await });
    }
    tokio::time::sleep_until(window.from.into()).await;
    let cpu = Since::now();
    tokio::time::sleep_until(window.until.into()).await;
    let cpu = cpu.share();
    let ended = tokio::time::timeout(PATIENCE, tasks.join_all()).await;
    let tallies = board.sum()?;
    let clients =
        ended.map_err(|_| Failure::Failed("no answer for half a minute after the end".to_owned()))?;
    Ok(Measured { clients, tallies, cpu })
}

async fn run<W: Work>(
    mut client: W::Client,
    work: &W,
    board: &Board,
    window: Window,
    who: usize,
    mut random: SmallRng,
) -> W::Client {
    while Instant::now() < window.until && !board.is_wrong() {
        let sample = work.step(&mut client, &mut random).await;
        board.judge(&sample.outcome);
        if window.holds(Instant::now()) {
            board.count(who, sample.class, |tally| match sample.outcome {
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
