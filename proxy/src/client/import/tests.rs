//! The import engine: the file's order for conflicting lines, the in-flight limits, early stops, and resuming.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use prism_contract::Timestamp;
use prism_contract::keyvalue::request::{PutRequest, ScanRequest, Ttl};
use prism_contract::keyvalue::{Edge, Memory};
use prism_wire::channel::CallError;
use prism_wire::clock::ManualClock;
use proptest::prelude::*;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;

use super::engine::{Engine, Observer, OnError, Settings, Stop, Totals};
use super::lines::{Lines, Mark};
use super::write::Sink;

type Refuse = Box<dyn Fn(&PutRequest, usize) -> Option<Status>>;

/// The reference backend with random-looking delays and injected failures.
struct Store {
    edge: Edge<Arc<Memory>>,
    clock: ManualClock,
    puts: RefCell<Vec<PutRequest>>,
    in_flight: Cell<usize>,
    max_in_flight: Cell<usize>,
    /// Called with each request and the number of requests before it.
    refuse: Refuse,
}

impl Store {
    fn new() -> Self {
        Self::refusing(|_, _| None)
    }

    fn refusing(refuse: impl Fn(&PutRequest, usize) -> Option<Status> + 'static) -> Self {
        Self {
            edge: Edge::new(Arc::new(Memory::default()), "test"),
            clock: ManualClock::new(Timestamp::EPOCH),
            puts: RefCell::default(),
            in_flight: Cell::default(),
            max_in_flight: Cell::default(),
            refuse: Box::new(refuse),
        }
    }

    async fn content(&self) -> Vec<(String, Vec<u8>, Vec<u8>)> {
        let request = ScanRequest { namespace: "n".to_owned(), ..ScanRequest::default() };
        let mut cursor = self.edge.scan(request).unwrap();
        let mut content = Vec::new();
        while let Some(page) = cursor.next(Timestamp::EPOCH).await.unwrap() {
            content.extend(page.entries.into_iter().map(|entry| {
                (entry.id.as_str().to_owned(), entry.item.key.to_vec(), entry.item.value.to_vec())
            }));
        }
        content
    }
}

impl Sink for Store {
    async fn put(&self, request: PutRequest) -> Result<(), CallError> {
        let before = self.puts.borrow().len();
        self.puts.borrow_mut().push(request.clone());
        self.in_flight.set(self.in_flight.get() + 1);
        self.max_in_flight.set(self.max_in_flight.get().max(self.in_flight.get()));
        // Reorders requests: later ones often arrive earlier.
        tokio::time::sleep(Duration::from_millis([9, 1, 5, 0, 7][before % 5])).await;
        self.in_flight.set(self.in_flight.get() - 1);
        if let Some(status) = (self.refuse)(&request, before) {
            return Err(status.into());
        }
        self.edge
            .put(Timestamp::EPOCH, request)
            .await
            .map(drop)
            .map_err(|error| CallError::from(Status::invalid_argument(error.to_string())))
    }
}

#[derive(Default)]
struct Recorder {
    skipped: Vec<u64>,
    watermarks: Vec<u64>,
}

impl Observer for Recorder {
    fn skipped(&mut self, why: &Stop) {
        match why {
            Stop::Line { line, .. } | Stop::Put { line, .. } => self.skipped.push(*line),
            Stop::Interrupted | Stop::Input(_) | Stop::Progress(_) => unreachable!("not a line's fault"),
        }
    }

    fn advanced(&mut self, safe: &Mark, _totals: &Totals) -> io::Result<()> {
        self.watermarks.push(safe.lines);
        Ok(())
    }
}

struct Outcome {
    totals: Totals,
    safe: Mark,
    stop: Option<Stop>,
    recorder: Recorder,
}

impl Outcome {
    /// The line at fault and the reason.
    fn fault(&self) -> Option<(u64, String)> {
        match self.stop.as_ref()? {
            Stop::Line { line, why } => Some((*line, why.clone())),
            Stop::Put { line, error } => Some((*line, error.to_string())),
            Stop::Interrupted | Stop::Input(_) | Stop::Progress(_) => None,
        }
    }
}

fn settings() -> Settings {
    Settings { namespace: "n".to_owned(), in_flight: 8, on_error: OnError::Stop, retry_for: Duration::ZERO }
}

async fn import(store: &Store, input: &str, settings: &Settings) -> Outcome {
    import_from(store, input, settings, None, std::future::pending()).await
}

/// Imports the lines after `done`.
async fn import_from(
    store: &Store,
    input: &str,
    settings: &Settings,
    done: Option<&Mark>,
    interrupt: impl Future<Output = ()>,
) -> Outcome {
    let mut lines = Lines::new(input.as_bytes());
    if let Some(done) = done {
        assert!(lines.skip(done.lines, done.bytes, &done.digest()).unwrap());
    }
    let start = lines.position().clone();
    let (sender, receiver) = mpsc::channel(input.len() + 1);
    while let Some(line) = lines.next().transpose() {
        sender.try_send(line).unwrap();
    }
    drop(sender);
    let mut recorder = Recorder::default();
    let engine = Engine::new(store, &store.clock, settings, &mut recorder, start);
    let (totals, safe, stop) = engine.run(receiver, interrupt).await;
    Outcome { totals, safe, stop, recorder }
}

fn line(id: &str, items: &[(&str, &str)]) -> String {
    let items: Vec<_> =
        items.iter().map(|(key, value)| format!(r#"{{"key":"{key}","value":"{value}"}}"#)).collect();
    format!("{{\"id\":\"{id}\",\"items\":[{}]}}\n", items.join(","))
}

/// Lines that overwrite each other's items, in a few records.
fn conflicting_lines() -> String {
    let line_at = |at: usize| {
        let (key, value) = (["a", "b", "c"][at % 3], at.to_string());
        line(["x", "y"][at / 2 % 2], &[(key, &value), ("d", &value)])
    };
    (0..24).map(line_at).collect()
}

#[tokio::test(start_paused = true)]
async fn conflicting_lines_are_written_in_the_files_order() {
    let (concurrent, sequential) = (Store::new(), Store::new());
    let input =
        conflicting_lines() + &(0..8).map(|at| line(&at.to_string(), &[("k", "v")])).collect::<String>();
    assert!(import(&concurrent, &input, &settings()).await.stop.is_none());
    assert!(import(&sequential, &input, &Settings { in_flight: 1, ..settings() }).await.stop.is_none());
    assert_eq!(sequential.max_in_flight.get(), 1);
    assert!(concurrent.max_in_flight.get() > 1, "no requests were concurrent, so this proves nothing");
    assert_eq!(concurrent.content().await, sequential.content().await);
}

#[tokio::test(start_paused = true)]
async fn lines_in_flight_are_limited() {
    let store = Store::new();
    let input: String = (0..50).map(|at| line(&format!("{at:02}"), &[("k", "v")])).collect();
    let outcome = import(&store, &input, &Settings { in_flight: 5, ..settings() }).await;
    assert_eq!(outcome.totals, Totals { lines: 50, items: 50, expired: 0, skipped: 0 });
    assert_eq!(store.max_in_flight.get(), 5);
    assert!(outcome.recorder.watermarks.is_sorted());
    assert_eq!((outcome.safe.lines, outcome.safe.bytes), (50, input.len() as u64));
}

#[tokio::test(start_paused = true)]
async fn resuming_after_a_failure_at_any_put_leaves_the_same_items() {
    let input = conflicting_lines();
    let whole = Store::new();
    import(&whole, &input, &settings()).await;
    let expected = whole.content().await;
    for survivors in 0..24 {
        let store =
            Store::refusing(move |_, before| (before == survivors).then(|| Status::unavailable("injected")));
        let stopped = import(&store, &input, &settings()).await;
        let (_, why) = stopped.fault().expect("it stops");
        assert!(why.contains("UNAVAILABLE"), "{why}");
        assert!(stopped.safe.lines <= survivors as u64 + 8);
        let rest =
            import_from(&store, &input, &settings(), Some(&stopped.safe), std::future::pending()).await;
        assert!(rest.stop.is_none());
        assert_eq!(rest.safe.lines, 24);
        assert_eq!(store.content().await, expected, "stopped at put {survivors}");
    }
}

proptest! {
    #[test]
    fn resuming_after_an_interrupt_at_any_moment_leaves_the_same_items(millis in 0_u64..80) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (input, whole, store) = (conflicting_lines(), Store::new(), Store::new());
            import(&whole, &input, &settings()).await;
            let interrupt = tokio::time::sleep(Duration::from_millis(millis));
            let stopped = import_from(&store, &input, &settings(), None, interrupt).await;
            let rest =
                import_from(&store, &input, &settings(), Some(&stopped.safe), std::future::pending()).await;
            prop_assert!(rest.stop.is_none());
            prop_assert_eq!(store.content().await, whole.content().await);
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_line_stops_the_import_after_the_lines_before_it() {
    let store = Store::new();
    let input =
        line("a", &[("k", "1")]) + &line("b", &[("k", "1")]) + "nonsense\n" + &line("c", &[("k", "1")]);
    let outcome = import(&store, &input, &settings()).await;
    let (number, why) = outcome.fault().unwrap();
    assert_eq!(number, 3);
    assert!(why.contains("expected"), "{why}");
    assert_eq!(outcome.safe.lines, 2);
    assert_eq!(store.content().await.len(), 2, "the line after it was not written");
}

#[tokio::test(start_paused = true)]
async fn bad_and_refused_lines_are_skipped_on_request() {
    let store = Store::refusing(|put, _| (put.id == "b").then(|| Status::invalid_argument("no")));
    let input =
        line("a", &[("k", "1")]) + "nonsense\n" + &line("b", &[("k", "1")]) + &line("c", &[("k", "1")]);
    let outcome = import(&store, &input, &Settings { on_error: OnError::Skip, ..settings() }).await;
    assert!(outcome.stop.is_none());
    assert_eq!(outcome.totals, Totals { lines: 2, items: 2, expired: 0, skipped: 2 });
    assert_eq!(outcome.safe.lines, 4);
    let mut skipped = outcome.recorder.skipped;
    skipped.sort_unstable();
    assert_eq!(skipped, [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_unrelated_to_the_line_stops_the_import_even_with_skip() {
    let store = Store::refusing(|_, _| Some(Status::permission_denied("no")));
    let outcome =
        import(&store, &line("a", &[("k", "1")]), &Settings { on_error: OnError::Skip, ..settings() }).await;
    assert!(outcome.fault().unwrap().1.contains("PERMISSION_DENIED"));
    assert_eq!((outcome.safe.lines, outcome.totals.skipped), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_put_is_retried_while_the_server_is_unavailable_or_sheds_load() {
    let store = Store::refusing(|_, before| match before {
        0 => Some(Status::unavailable("outage")),
        1 => Some(Status::resource_exhausted("busy")),
        2 => Some(Status::deadline_exceeded("slow")),
        _ => None,
    });
    let retrying = Settings { retry_for: Duration::from_secs(30), ..settings() };
    let outcome = import(&store, &line("a", &[("k", "1")]), &retrying).await;
    assert!(outcome.stop.is_none());
    assert_eq!(store.puts.borrow().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn retries_respect_the_servers_delay_and_end_at_the_deadline() {
    use tonic_types::{ErrorDetails, StatusExt};
    let unavailable = |after: Duration| {
        let details = ErrorDetails::with_retry_info(Some(after));
        Store::refusing(move |_, _| {
            Some(Status::with_error_details(tonic::Code::Unavailable, "outage", details.clone()))
        })
    };
    let retrying = Settings { retry_for: Duration::from_secs(30), ..settings() };
    let (store, began) = (unavailable(Duration::from_secs(10)), Instant::now());
    let outcome = import(&store, &line("a", &[("k", "1")]), &retrying).await;
    assert!(outcome.fault().unwrap().1.contains("UNAVAILABLE"));
    assert_eq!(store.puts.borrow().len(), 4, "at 0, 10, 20 and 30 seconds");
    assert!(began.elapsed() < Duration::from_secs(31));
    assert_eq!(outcome.safe.lines, 0);
}

#[tokio::test(start_paused = true)]
async fn items_are_grouped_by_expiry_and_expired_ones_are_left_out() {
    let store = Store::new();
    store.clock.set(Timestamp::from_micros(1_000_000).unwrap());
    let item = |key: &str, at: &str| format!(r#"{{"key":"{key}","value":"","expires_at":"{at}"}}"#);
    let input = format!(
        "{{\"id\":\"a\",\"items\":[{},{},{},{{\"key\":\"never\",\"value\":\"\"}}]}}\n",
        item("gone", "1970-01-01T00:00:01Z"),
        item("soon", "1970-01-01T00:00:01.000001Z"),
        item("later", "1970-01-01T01:00:01.5Z"),
    );
    let outcome = import(&store, &input, &settings()).await;
    assert!(outcome.stop.is_none());
    assert_eq!(outcome.totals, Totals { lines: 1, items: 3, expired: 1, skipped: 0 });
    let puts = store.puts.borrow();
    let written: Vec<_> = puts.iter().map(|put| (put.items[0].key.as_ref(), put.ttl)).collect();
    assert_eq!(
        written,
        [
            (&b"never"[..], None),
            (b"soon", Some(Ttl { seconds: 0, nanos: 1_000 })),
            (b"later", Some(Ttl { seconds: 3_600, nanos: 500_000_000 })),
        ]
    );
}
