//! Sequences of requests at random, against the reference backend.

use std::num::NonZeroU64;
use std::ops::Range;
use std::time::Duration;

use prism_backends::Sqlite;
use prism_contract::timeseries::{
    Append, DeleteEvents, Histogram, Memory, Position, Query, Tags, Tail, TimeRange, TimeSeriesBackend,
    Window,
};
use prism_contract::{Error, Namespace, PageSize, Timestamp};

use crate::common::{TestDb, at, namespace};
use crate::events::{append, beginning, event, follow, names, now, query, read, series, tags, tail};

/// Numbers at random, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, range: Range<i64>) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        range.start + i64::try_from((self.0 >> 33) % u64::try_from(range.end - range.start).unwrap()).unwrap()
    }
}

/// Series of different partitions, since one may end tokens of others in its own.
const SERIES: [&str; 3] = ["a", "b", "c"];
const PARTITIONS: u32 = 251;

/// Both stores, and tokens of the same moments.
struct Pair {
    sqlite: Sqlite,
    memory: Memory,
    tokens: Vec<(Position, Position)>,
    expired: Option<Timestamp>,
    random: Random,
}

fn code<T>(answer: Result<T, Error>) -> Result<T, String> {
    answer.map_err(|error| format!("{error}"))
}

impl Pair {
    fn series(&mut self) -> &'static str {
        SERIES[usize::try_from(self.random.below(0..3)).unwrap()]
    }

    fn range(&mut self) -> TimeRange {
        let start = self.random.below(0..40);
        TimeRange { start, end: self.random.below(start + 1..60) }
    }

    fn filter(&mut self) -> Tags {
        if self.random.below(0..2) == 0 { Tags::default() } else { tags(&[("even", "yes")]) }
    }

    async fn append(&mut self) {
        let count = self.random.below(1..6);
        let mut events = Vec::new();
        for number in 0..count {
            let (of, time) = (self.series(), self.random.below(0..50));
            let mut event =
                event(of, time, &format!("{}", self.random.below(0..3)), format!("{number}{time}"));
            event.event.tags =
                if time % 2 == 0 { tags(&[("even", "yes"), ("x", "1")]) } else { Tags::default() };
            let key = event.event.key();
            if events.iter().all(|other: &prism_contract::timeseries::SeriesEvent| {
                (&other.series, other.event.key()) != (&event.series, key.clone())
            }) {
                events.push(event);
            }
        }
        let past = (self.random.below(0..3) == 0)
            .then(|| Duration::from_micros(self.random.below(0..50).unsigned_abs()));
        let window = Window { past, future: None };
        let append =
            Append { now: at(50), window, expired: self.expired, partitions: PARTITIONS, ..append(events) };
        let expected = code(self.memory.append(append.clone()).await);
        assert_eq!(code(self.sqlite.append(append).await), expected);
    }

    async fn query(&mut self) {
        let query = Query {
            range: self.range(),
            tags: self.filter(),
            reverse: self.random.below(0..2) == 0,
            page: PageSize::new(u32::try_from(self.random.below(1..8)).unwrap(), 0),
            without_payload: self.random.below(0..3) == 0,
            expired: self.expired,
            ..query(self.series())
        };
        let expected = read(&self.memory, query.clone()).await.unwrap().0;
        assert_eq!(read(&self.sqlite, query.clone()).await.unwrap().0, expected, "{query:?}");
        assert_eq!(names(&self.sqlite, self.expired).await, names(&self.memory, self.expired).await);
        let Query { namespace, series, range, tags, expired, .. } = query;
        let bucket = NonZeroU64::new(self.random.below(1..20).unsigned_abs()).unwrap();
        let histogram = Histogram { namespace, series, range, bucket, tags, expired };
        let expected = self.memory.histogram(&histogram).await.unwrap();
        assert_eq!(self.sqlite.histogram(&histogram).await.unwrap(), expected, "{histogram:?}");
    }

    async fn tail(&mut self) {
        let at_random = self.random.below(0..i64::try_from(self.tokens.len()).unwrap());
        let (of_sqlite, of_memory) = self.tokens[usize::try_from(at_random).unwrap()].clone();
        let tail = Tail {
            tags: self.filter(),
            page: PageSize::new(u32::try_from(self.random.below(1..8)).unwrap(), 0),
            passed_over: self.expired.filter(|_| self.random.below(0..2) == 0),
            expired: self.expired,
            ..tail((self.random.below(0..3) > 0).then(|| self.series()), of_memory)
        };
        let expected = code(follow(&self.memory, tail.clone()).await.map(|(events, ..)| events));
        let found = follow(&self.sqlite, Tail { after: of_sqlite, ..tail.clone() }).await;
        assert_eq!(code(found.map(|(events, ..)| events)), expected, "{tail:?}");
    }

    async fn delete(&mut self) {
        let (range, of) = (self.range(), series(self.series()));
        let delete = DeleteEvents { namespace: namespace(), series: of, range, expired: self.expired };
        let expected = self.memory.delete_events(delete.clone()).await.unwrap();
        assert_eq!(self.sqlite.delete_events(delete).await.unwrap(), expected);
    }

    async fn expire(&mut self) {
        let last = self.expired.map_or(0, Timestamp::as_micros);
        self.expired = Some(at((last + self.random.below(0..4)).min(45)));
        if self.random.below(0..2) == 0 {
            let expired = self.expired;
            let of = |_: &Namespace| expired;
            let expected = self.memory.expire(&of).await.unwrap();
            assert_eq!(self.sqlite.expire(&of).await.unwrap(), expected);
        }
    }

    async fn step(&mut self) {
        match self.random.below(0..12) {
            0..=3 => self.append().await,
            4..=6 => self.query().await,
            7..=9 => self.tail().await,
            10 => self.delete().await,
            _ => self.expire().await,
        }
        if self.random.below(0..4) == 0 {
            self.tokens.push((now(&self.sqlite).await, now(&self.memory).await));
        }
    }
}

#[tokio::test]
async fn every_answer_is_that_of_the_reference_backend() {
    let db = TestDb::new();
    for seed in 0..25 {
        let folder = db.folder.path().join(format!("{seed}.db"));
        let sqlite = Sqlite::open(prism_backends::sqlite::Options::new(folder)).await.unwrap();
        let memory = Memory::default();
        let tokens = vec![(beginning(&sqlite).await, beginning(&memory).await)];
        let mut pair = Pair { sqlite, memory, tokens, expired: None, random: Random(seed) };
        for _ in 0..80 {
            pair.step().await;
        }
    }
}
