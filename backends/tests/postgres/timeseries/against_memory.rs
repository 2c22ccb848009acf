//! The same operations on Postgres and on the reference backend have the same answers.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use prism_backends::Postgres;
use prism_contract::timeseries::{
    Append, DeleteEvents, Histogram, ListSeries, Memory, Query, SeriesEvent, Start, Tags, Tail, TimeRange,
    TimeSeriesBackend, Window,
};
use prism_contract::{Error, Namespace, PageSize, Timestamp};

use super::{all, event, query, read, series, tags, tail};
use crate::common::at;
use crate::test_db::test_db;

const SERIES: [&str; 5] = ["a", "ab", "b", "a\u{1}", "é"];
const NAMESPACES: [&str; 2] = ["ns", "ns.b"];

/// A generator of numbers (splitmix64): a failure is repeated by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }

    fn time(&mut self, now: i64) -> i64 {
        (now - 40 + i64::try_from(self.below(50)).unwrap()).max(0)
    }

    fn tags(&mut self) -> Tags {
        self.of(&[&[][..], &[("k", "1")], &[("k", "2")], &[("k", "1"), ("l", "=")]]).pipe(tags)
    }

    fn range(&mut self, now: i64) -> TimeRange {
        if self.one_in(2) {
            return TimeRange::ALL;
        }
        let start = self.time(now);
        TimeRange { start, end: start + 1 + i64::try_from(self.below(20)).unwrap() }
    }

    fn append(&mut self, namespace: Namespace, now: i64, expired: Option<Timestamp>) -> Append {
        let mut events: Vec<SeriesEvent> = Vec::new();
        for _ in 0..=self.below(4) {
            let mut event = event(self.of(&SERIES), self.time(now), self.of(&["x", "y\0", "\u{ff}"]));
            event.event.tags = self.tags();
            event.event.content_type = self.of(&["", "t"]).to_owned();
            event.event.payload = format!("{}", self.below(1_000)).into();
            if !events
                .iter()
                .any(|other| other.series == event.series && other.event.key() == event.event.key())
            {
                events.push(event);
            }
        }
        let past = self.of(&[None, Some(Duration::from_micros(25))]);
        let window = Window { past, future: Some(Duration::from_micros(9)) };
        Append { namespace, events, now: at(now), window, expired, partitions: 3 }
    }
}

trait Pipe: Sized {
    fn pipe<T>(self, with: impl FnOnce(Self) -> T) -> T {
        with(self)
    }
}
impl<T> Pipe for T {}

struct Both {
    postgres: Postgres,
    memory: Memory,
    /// For each namespace and series, the Tail of each store.
    tails: BTreeMap<(Namespace, Option<&'static str>), [Tail; 2]>,
}

fn by_series(events: Vec<SeriesEvent>) -> BTreeMap<String, Vec<SeriesEvent>> {
    let mut by_series: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in events {
        by_series.entry(event.series.as_str().to_owned()).or_default().push(event);
    }
    by_series
}

impl Both {
    async fn start(&self, namespace: &Namespace, of: Option<&str>, start: Start) -> [Tail; 2] {
        let name = of.map(series);
        let one = self.postgres.position(namespace, name.as_ref(), start).await.unwrap();
        let other = self.memory.position(namespace, name.as_ref(), start).await.unwrap();
        [one, other].map(|after| Tail { namespace: namespace.clone(), ..tail(of, after) })
    }

    async fn step(&mut self, random: &mut Random, now: i64) {
        let namespace = Namespace::new(random.of(&NAMESPACES)).unwrap();
        let expired = (namespace.as_str() == "ns").then(|| at((now - 35).max(0)));
        match random.below(10) {
            0..4 => {
                let append = random.append(namespace, now, expired);
                let (one, other) =
                    (self.postgres.append(append.clone()).await, self.memory.append(append.clone()).await);
                match (&one, &other) {
                    (Ok(one), Ok(other)) => assert_eq!(one, other, "{append:?}"),
                    (Err(Error::InvalidArgument(one)), Err(Error::InvalidArgument(other))) => {
                        assert_eq!(one, other);
                    }
                    _ => panic!("{one:?} {other:?} {append:?}"),
                }
            }
            4 | 5 => {
                let query = Query {
                    namespace,
                    range: random.range(now),
                    tags: random.tags(),
                    reverse: random.one_in(2),
                    page: PageSize::new(1 + u32::try_from(random.below(4)).unwrap(), random.of(&[0, 8])),
                    without_payload: random.one_in(3),
                    expired,
                    ..query(random.of(&SERIES))
                };
                let one = all(&self.postgres, query.clone()).await.unwrap().0;
                assert_eq!(one, all(&self.memory, query.clone()).await.unwrap().0, "{query:?}");
            }
            6 | 7 => {
                let of = random.of(&[None, Some("a"), Some("ab"), Some("b")]);
                let key = (namespace.clone(), of);
                let begin = random.of(&[Start::Beginning, Start::Now]);
                let passed_over = expired.filter(|_| begin == Start::Beginning);
                if !self.tails.contains_key(&key) {
                    let tails = self.start(&namespace, of, begin).await;
                    self.tails.insert(key.clone(), tails.map(|tail| Tail { passed_over, ..tail }));
                }
                let Some([one, other]) = self.tails.get_mut(&key) else { unreachable!() };
                let (tags, page) =
                    (random.tags(), PageSize::new(1 + u32::try_from(random.below(6)).unwrap(), 0));
                for tail in [&mut *one, &mut *other] {
                    (tail.tags, tail.page, tail.expired) = (tags.clone(), page, expired);
                }
                match (read(&self.postgres, one).await, read(&self.memory, other).await) {
                    (Ok(one), Ok(other)) => assert_eq!(by_series(one), by_series(other), "{key:?}"),
                    // By partition, an event of another series may end a token.
                    (Err(Error::TokenExpired), Err(Error::TokenExpired) | Ok(_)) => {
                        drop(self.tails.remove(&key));
                    }
                    (one, other) => panic!("{one:?} {other:?} {key:?}"),
                }
            }
            8 if random.one_in(2) => {
                let of = series(random.of(&SERIES));
                let delete = DeleteEvents { namespace, series: of, range: random.range(now), expired };
                let one = self.postgres.delete_events(delete.clone()).await.unwrap();
                assert_eq!(one, self.memory.delete_events(delete.clone()).await.unwrap(), "{delete:?}");
            }
            8 => {
                let (prefix, limit) = (random.of(&["", "a", "ab", "z"]).to_owned(), random.of(&[1, 2, 9]));
                let mut after = None;
                loop {
                    let list = ListSeries {
                        namespace: namespace.clone(),
                        prefix: prefix.clone(),
                        after,
                        limit,
                        expired,
                    };
                    let one = self.postgres.list_series(&list).await.unwrap();
                    let other = self.memory.list_series(&list).await.unwrap();
                    assert_eq!(one.series, other.series, "{list:?}");
                    after = other.next;
                    if after.is_none() {
                        break;
                    }
                }
            }
            _ if random.one_in(2) => {
                let range = TimeRange { start: (now - 50).max(0), end: now + 20 };
                let bucket = NonZeroU64::new(1 + random.below(30)).unwrap();
                let of = series(random.of(&SERIES));
                let histogram =
                    Histogram { namespace, series: of, range, bucket, tags: random.tags(), expired };
                let one = self.postgres.histogram(&histogram).await.unwrap();
                assert_eq!(one, self.memory.histogram(&histogram).await.unwrap(), "{histogram:?}");
            }
            _ => {
                let expired =
                    |namespace: &Namespace| (namespace.as_str() == "ns").then(|| at((now - 35).max(0)));
                let one = self.postgres.expire(&expired).await.unwrap();
                assert_eq!(one, self.memory.expire(&expired).await.unwrap());
            }
        }
    }
}

#[tokio::test]
async fn operations_have_the_answers_of_the_reference_backend() {
    let db = test_db!("operations_have_the_answers_of_the_reference_backend");
    for seed in 0..6 {
        // Another table for each seed would take longer.
        let postgres = db.open().await;
        if seed > 0 {
            db.run("TRUNCATE prism_ts_namespaces, prism_ts_partitions, prism_ts_series, prism_ts_events")
                .await;
        }
        let mut both = Both { postgres, memory: Memory::default(), tails: BTreeMap::new() };
        let mut random = Random(seed);
        for step in 0..400 {
            both.step(&mut random, 100 + step / 4).await;
        }
    }
}
