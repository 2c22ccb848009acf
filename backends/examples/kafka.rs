//! Measures TimeSeries on Kafka beside the bare client with the same settings: Appends of 100 events of 100 bytes, 64 in flight,
//! and how long an event takes from the beginning of its Append to a Tail.
//!
//! `cargo run --release -p prism-backends --features kafka --example kafka -- host:port`; without an address a broker of the
//! testkit.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use prism_backends::{Kafka, kafka};
use prism_contract::timeseries::{
    Append, Event, EventId, Series, SeriesEvent, Start, Tags, Tail, TimeSeriesBackend, Window,
};
use prism_contract::{Namespace, PageSize, Timestamp};
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::sync::Semaphore;

const BATCH: usize = 100;
const IN_FLIGHT: usize = 64;
const PAYLOAD: usize = 100;
const SERIES: usize = 1_000;
const PARTITIONS: u32 = 8;
/// Time of each measurement.
const SPAN: Duration = Duration::from_secs(5);
/// Events of the measurement of delays.
const DELAYS: usize = 500;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "it reports on stdout")]
async fn main() -> Result<(), Failure> {
    let address = if let Some(address) = std::env::args().nth(1) {
        address
    } else {
        let broker = prism_testkit::Kafka::shared().await?;
        println!("{}", broker.describe());
        broker.address().to_owned()
    };
    let mut options = kafka::Options::new(address);
    options.topic_prefix = format!("bench-{}-", now().as_micros());
    let store = Arc::new(Kafka::open(options.clone()).await?);
    // Creates the topic.
    store.append(append(0)).await?;
    for round in 1..=3 {
        let bare = bare(&options).await?;
        let prism = prism(&store).await?;
        println!(
            "round {round}: bare client {bare:.0} events/s, Prism {prism:.0} events/s, {:.2}",
            prism / bare
        );
    }
    let mut delays = delays(&store).await?;
    delays.sort_unstable();
    let at = |part: usize| delays[(delays.len() * part / 100).min(delays.len() - 1)];
    println!("Append to Tail: P50 {:?}, P99 {:?}, max {:?}", at(50), at(99), at(100));
    Ok(())
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(0)).unwrap_or(Timestamp::MAX)
}

fn append(number: usize) -> Append {
    let now = now();
    let payload = Bytes::from(vec![b'x'; PAYLOAD]);
    let event = |at: usize| {
        let id = EventId::new(u64::try_from(number * BATCH + at).unwrap_or(0).to_be_bytes().to_vec());
        let event = Event {
            time: now,
            id: id.expect("8 bytes"),
            payload: payload.clone(),
            content_type: String::new(),
            tags: Tags::default(),
        };
        SeriesEvent { series: series(number * BATCH + at), event }
    };
    let window = Window { past: Some(Duration::from_mins(5)), future: Some(Duration::from_mins(1)) };
    let namespace = Namespace::new("bench").expect("a namespace");
    Append {
        namespace,
        events: (0..BATCH).map(event).collect(),
        now,
        window,
        expired: None,
        partitions: PARTITIONS,
    }
}

fn series(number: usize) -> Series {
    Series::new(format!("series-{:04}", number % SERIES)).expect("a series")
}

/// Events per second of one kind of work, [`IN_FLIGHT`] at once.
async fn rate<F, O>(work: F) -> Result<f64, Failure>
where
    F: Fn(usize) -> O,
    O: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(IN_FLIGHT));
    let (began, mut count) = (Instant::now(), 0);
    let mut tasks = tokio::task::JoinSet::new();
    while began.elapsed() < SPAN {
        let permit = Arc::clone(&permits).acquire_owned().await?;
        let work = work(count);
        tasks.spawn(async move {
            let done = work.await;
            drop(permit);
            done
        });
        count += 1;
        while let Some(done) = tasks.try_join_next() {
            done??;
        }
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    Ok((count * BATCH) as f64 / began.elapsed().as_secs_f64())
}

async fn prism(store: &Arc<Kafka>) -> Result<f64, Failure> {
    rate(|number| {
        let (store, append) = (Arc::clone(store), append(number));
        async move {
            store.append(append).await?;
            Ok(())
        }
    })
    .await
}

/// The client with the settings of the backend, and records of the same size, to the partitions in turn.
async fn bare(options: &kafka::Options) -> Result<f64, Failure> {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &options.brokers)
        .set("acks", "all")
        .set("enable.idempotence", options.idempotence.to_string())
        .set("compression.type", options.compression.name())
        .set("linger.ms", "1")
        .set("batch.num.messages", "10000")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "0")
        .create()?;
    let (topic, payload) = (format!("{}bench", options.topic_prefix), Arc::new(vec![b'x'; PAYLOAD]));
    rate(|number| {
        let (producer, topic, payload) = (producer.clone(), topic.clone(), Arc::clone(&payload));
        async move {
            let mut sent = Vec::with_capacity(BATCH);
            let keys: Vec<_> = (0..BATCH).map(|at| series(number * BATCH + at).as_str().to_owned()).collect();
            for (at, key) in keys.iter().enumerate() {
                // As many bytes as the header of an event.
                let headers =
                    OwnedHeaders::new().insert(Header { key: "prism", value: Some(&[0_u8; 13][..]) });
                let partition = i32::try_from((number * BATCH + at) % PARTITIONS as usize)?;
                let record = FutureRecord::to(&topic)
                    .partition(partition)
                    .key(key)
                    .payload(&*payload)
                    .headers(headers);
                sent.push(producer.send_result(record).map_err(|(error, _)| error)?);
            }
            for delivery in sent {
                delivery.await?.map_err(|(error, _)| error)?;
            }
            Ok(())
        }
    })
    .await
}

/// From before an Append to its event in a Tail, one after the other.
async fn delays(store: &Arc<Kafka>) -> Result<Vec<Duration>, Failure> {
    let namespace = Namespace::new("bench")?;
    let position = store.position(&namespace, Some(&series(0)), Start::Now).await?;
    let mut tail = Tail {
        namespace,
        series: Some(series(0)),
        tags: Tags::default(),
        after: position,
        passed_over: None,
        page: PageSize::default(),
        without_payload: false,
        expired: None,
    };
    let mut delays = Vec::with_capacity(DELAYS);
    for number in 0..DELAYS {
        let mut append = append(number * SERIES);
        append.events.truncate(1);
        let began = Instant::now();
        let appended = {
            let store = Arc::clone(store);
            tokio::spawn(async move { store.append(append).await })
        };
        loop {
            let page = store.tail(&tail).await?;
            tail.after = page.position;
            if !page.events.is_empty() {
                break;
            }
            store.appended(&tail).await;
        }
        delays.push(began.elapsed());
        appended.await??;
    }
    Ok(delays)
}
