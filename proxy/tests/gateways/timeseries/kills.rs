//! A gateway that is killed while it appends: what was acknowledged is there, and each other Append is whole or absent.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::join_all;
use prism_contract::timeseries::SeriesEvent;
use prism_contract::timeseries::request::{AppendRequest, QueryRequest, TailFrom, TailRequest, TailResponse};
use prism_testkit::{Backend, LazySchema, skips};
use prism_wire::timeseries::{Client, Resume, TailMessages};
use tokio::sync::Notify;
use tonic::Code;

use super::{Dice, NAMESPACE, Number, connect, start};
use crate::Process;

const WRITERS: usize = 8;
/// Events of an Append, which are of two series in turn.
const EVENTS: usize = 20;
/// Those of one series.
const HALF: usize = EVENTS / 2;
const PAYLOAD: usize = 200;
/// Maximum time until enough Appends are acknowledged.
const ENOUGH_TIMEOUT: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_keeps_what_it_acknowledged_and_no_half_append_on_sqlite() {
    on_sqlite(5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_keeps_what_it_acknowledged_and_no_half_append_on_postgres() {
    if skips(Backend::Postgres, "a_killed_gateway_keeps_what_it_acknowledged_and_no_half_append_on_postgres")
    {
        return;
    }
    on_postgres(5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the same with 120 kills, for a minute"]
async fn a_gateway_that_is_killed_120_times_keeps_what_it_acknowledged_on_sqlite() {
    on_sqlite(120).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the same with 120 kills, for a minute"]
async fn a_gateway_that_is_killed_120_times_keeps_what_it_acknowledged_on_postgres() {
    on_postgres(120).await;
}

async fn on_sqlite(kills: usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prism.db");
    kill_repeatedly(kills, folder.path(), |command| command.env("PRISM_DATABASE_PATH", &file)).await;
}

async fn on_postgres(kills: usize) {
    let (schema, folder) = (LazySchema::new(), tempfile::tempdir().unwrap());
    let url = schema.url().await.unwrap().to_owned();
    kill_repeatedly(kills, folder.path(), |command| command.env("DATABASE_URL", &url)).await;
}

/// What was sent to one process until it was killed.
struct Round {
    number: usize,
    /// Each Append, by writer and number, with whether it was acknowledged.
    sent: HashMap<(usize, usize), bool>,
}

#[expect(clippy::print_stdout, reason = "figures of a run by hand; a test harness keeps them otherwise")]
async fn kill_repeatedly(kills: usize, folder: &Path, configure: impl Fn(&mut Command) -> &mut Command) {
    let (mut dice, mut follower) = (Dice(7), Follower::default());
    let (mut rounds, mut kept) = (Vec::<Round>::new(), Vec::new());
    for number in 0..=kills {
        let process = start(folder, &configure);
        let client = connect(&process).await;
        if let Some(last) = rounds.last() {
            kept.push(last.kept(&client).await);
        }
        if number == kills {
            // All of them once more: a later kill takes nothing away either.
            let mut events = HashSet::new();
            for (round, kept) in rounds.iter().zip(&kept) {
                let now = round.kept(&client).await;
                assert!(kept.is_subset(&now), "kill {} lost what the kill before had left", round.number);
                events.extend(now);
            }
            follower.finish(&client, &events).await;
            break;
        }
        let acknowledged = 1 + dice.below(60);
        // Not always just after an acknowledgement.
        let delay = Duration::from_micros(dice.below(10_000) as u64);
        let following = follower.follow(&client);
        let (round, ()) = tokio::join!(Round::run(number, process, &client, acknowledged, delay), following);
        assert!(round.unknown() > 0, "kill {number} interrupted no Append");
        rounds.push(round);
    }
    let all: usize = rounds.iter().map(|round| round.sent.len()).sum();
    let unknown: usize = rounds.iter().map(Round::unknown).sum();
    let whole = follower.read.len() / EVENTS - (all - unknown);
    println!("{kills} kills: {all} Appends of {EVENTS} events, {unknown} interrupted, {whole} of them whole");
}

impl Round {
    /// Appends from several writers until `acknowledged` Appends were answered and some time has passed, then kills the process.
    async fn run(
        number: usize,
        process: Process,
        client: &Client,
        acknowledged: usize,
        delay: Duration,
    ) -> Self {
        let (count, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let writers = (0..WRITERS).map(|writer| {
            let (client, count, enough) = (client.clone(), Arc::clone(&count), Arc::clone(&enough));
            tokio::spawn(async move {
                let mut sent = Vec::new();
                for append in 0.. {
                    let answer = client.append(request(number, writer, append)).await;
                    sent.push(((writer, append), answer.is_ok()));
                    if let Err(error) = answer {
                        assert_eq!(error.status().unwrap().code, Code::Unavailable, "{error}");
                        break;
                    }
                    if count.fetch_add(1, Ordering::SeqCst) + 1 == acknowledged {
                        enough.notify_one();
                    }
                }
                sent
            })
        });
        let writers: Vec<_> = writers.collect();
        tokio::time::timeout(ENOUGH_TIMEOUT, enough.notified()).await.expect("Appends that are acknowledged");
        tokio::time::sleep(delay).await;
        // SIGKILL.
        drop(process);
        let sent = join_all(writers).await.into_iter().flat_map(Result::unwrap).collect();
        Self { number, sent }
    }

    /// Number of Appends that were not acknowledged.
    fn unknown(&self) -> usize {
        self.sent.values().filter(|acknowledged| !**acknowledged).count()
    }

    /// The events that are there, of Appends that are whole; panics if another one has any (APP-5, DUR-1, DUR-2).
    async fn kept(&self, client: &Client) -> HashSet<(String, Number)> {
        let [first, second] = series(self.number);
        // A database may commit what a killed gateway had sent as late as between two Queries: then the later one has it.
        let reads = [&first, &second, &first].map(|series| read(client, series));
        let [before, between, after] = <[_; 3]>::try_from(join_in_order(reads).await).unwrap();
        let mut there = 0;
        for (append, acknowledged) in &self.sent {
            let counts = [&before, &between, &after].map(|read| read.get(append).map_or(0, Vec::len));
            let allowed: &[[usize; 3]] = if *acknowledged {
                &[[HALF, HALF, HALF]]
            } else {
                &[[HALF, HALF, HALF], [0, 0, 0], [0, 0, HALF], [0, HALF, HALF]]
            };
            assert!(
                allowed.contains(&counts),
                "{append:?}, acknowledged: {acknowledged}, has {counts:?} events"
            );
            there += counts[1] + counts[2];
        }
        let of = |series: &str, read: HashMap<_, Vec<Number>>| {
            let events = read.into_values().flatten();
            events.map(|number| (series.to_owned(), number)).collect::<Vec<_>>()
        };
        let events: HashSet<_> = of(&second, between).into_iter().chain(of(&first, after)).collect();
        assert_eq!(events.len(), there, "there are events that were not sent");
        events
    }
}

/// Awaits one after the other.
async fn join_in_order<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut done = Vec::new();
    for future in futures {
        done.push(future.await);
    }
    done
}

fn series(round: usize) -> [String; 2] {
    [format!("{round}-a"), format!("{round}-b")]
}

/// An Append to two series, which may be in different partitions.
fn request(round: usize, writer: usize, append: usize) -> AppendRequest {
    let series = series(round);
    let event = |at| Number { writer, append, at }.event(series[at % 2].clone(), PAYLOAD);
    AppendRequest { namespace: NAMESPACE.to_owned(), events: (0..EVENTS).map(event).collect() }
}

/// The events of a series, by Append.
async fn read(client: &Client, series: &str) -> HashMap<(usize, usize), Vec<Number>> {
    let request = QueryRequest {
        namespace: NAMESPACE.to_owned(),
        series: series.to_owned(),
        ..QueryRequest::default()
    };
    let mut messages = client.query(request, Resume::Never);
    let mut read: HashMap<_, Vec<_>> = HashMap::new();
    while let Some(message) = messages.next().await {
        for event in message.unwrap().events {
            let number = Number::of(&event, PAYLOAD);
            read.entry((number.writer, number.append)).or_default().push(number);
        }
    }
    read
}

/// A Tail of the whole namespace, which goes on by its token after each kill.
#[derive(Default)]
struct Follower {
    token: Option<Bytes>,
    read: HashSet<(String, Number)>,
}

impl Follower {
    fn open(&self, client: &Client) -> TailMessages {
        let from = self.token.clone().map_or(TailFrom::Beginning, TailFrom::Token);
        let namespace = NAMESPACE.to_owned();
        client.tail(TailRequest { namespace, from, ..TailRequest::default() }, Resume::Never)
    }

    fn take(&mut self, message: TailResponse) {
        self.token = Some(message.token);
        for SeriesEvent { series, event } in message.events {
            let number = Number::of(&event, PAYLOAD);
            assert!(self.read.insert((series.as_str().to_owned(), number)), "{number:?} came twice (TAIL-3)");
        }
    }

    /// Reads until the process is killed.
    async fn follow(&mut self, client: &Client) {
        let mut messages = self.open(client);
        loop {
            match messages.next().await.unwrap() {
                Ok(message) => self.take(message),
                Err(error) => {
                    assert_eq!(error.status().unwrap().code, Code::Unavailable, "{error}");
                    return;
                }
            }
        }
    }

    /// Reads until it has as many events as there are, which must be these.
    async fn finish(&mut self, client: &Client, events: &HashSet<(String, Number)>) {
        let mut messages = self.open(client);
        let rest = async {
            while self.read.len() < events.len() {
                self.take(messages.next().await.unwrap().unwrap());
            }
        };
        tokio::time::timeout(Duration::from_secs(30), rest).await.expect("never: all events in the Tail");
        assert!(self.read == *events, "the Tail brought other events than there are");
    }
}
