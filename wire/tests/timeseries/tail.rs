//! Tails in process: their heartbeats, slots and drain, on a clock that only moves while everything waits.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt};
use prism_contract::timeseries::Edge;
use prism_contract::timeseries::request::{TailFrom, TailRequest};
use prism_proto::timeseries::v1 as pb;
use prism_proto::timeseries::v1::time_series_service_server::TimeSeriesService;
use prism_wire::clock::ManualClock;
use prism_wire::message::WireRequest;
use prism_wire::slots::Slots;
use prism_wire::status::Decoded;
use prism_wire::timeseries::Service;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Code, Request, Status};

use crate::support::{One, Watched, append, event, service, start, tail};

type Messages = Pin<Box<dyn Stream<Item = Result<pb::TailResponse, Status>> + Send>>;

const HEARTBEAT: Duration = Edge::<One>::HEARTBEAT;

async fn follow(service: &Service<One, ManualClock>, request: TailRequest) -> Messages {
    service.tail(Request::new(request.into_message())).await.unwrap().into_inner()
}

async fn next(messages: &mut Messages) -> (Vec<String>, TailFrom) {
    let pb::TailResponse { events, token } = messages.next().await.unwrap().unwrap();
    let payload = |event: pb::SeriesEvent| event.event.unwrap().payload;
    let payloads = events.into_iter().map(|event| String::from_utf8(payload(event).into()).unwrap());
    (payloads.collect(), TailFrom::Token(token))
}

async fn write(
    service: &Service<One, ManualClock>,
    events: impl Into<Vec<prism_contract::timeseries::request::EventInput>>,
) {
    let request = append(events).into_message();
    TimeSeriesService::append(service, Request::new(request)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_first_message_comes_at_once_and_an_idle_tail_has_one_every_heartbeat() {
    let (service, _) = service(&Arc::default());
    let mut tailed = follow(&service, tail(TailFrom::Now)).await;
    let began = Instant::now();
    let (events, first) = next(&mut tailed).await;
    assert_eq!((events.len(), began.elapsed()), (0, Duration::ZERO));
    for heartbeats in 1..4 {
        assert_eq!(next(&mut tailed).await, (vec![], first.clone()));
        let late = began.elapsed().checked_sub(heartbeats * HEARTBEAT).expect("not early");
        assert!(late < Duration::from_millis(2 * u64::from(heartbeats)), "{late:?} late");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_arrives_when_it_is_appended_and_not_with_the_heartbeat() {
    let (service, _) = service(&Arc::default());
    let mut tailed = follow(&service, tail(TailFrom::Now)).await;
    next(&mut tailed).await;
    assert!(tailed.next().now_or_never().is_none());
    let began = Instant::now();
    write(&service, [event("s", 900, "e")]).await;
    assert_eq!(next(&mut tailed).await.0, ["e"]);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_comes_while_other_events_flow_and_its_token_is_past_them() {
    let (service, _) = service(&Arc::default());
    let filter = || [("k".to_owned(), "v".to_owned())].into();
    let filtered = TailRequest { tags: filter(), ..tail(TailFrom::Now) };
    let mut tailed = follow(&service, filtered).await;
    next(&mut tailed).await;
    let service = Arc::new(service);
    let writer = Arc::clone(&service);
    let writing = tokio::spawn(async move {
        for at in 0..9 {
            write(&writer, [event("s", 900 + at, format!("other {at}"))]).await;
            tokio::time::sleep(HEARTBEAT / 8).await;
        }
        let mut last = event("s", 950, "last");
        last.tags = filter();
        write(&writer, [last]).await;
    });
    let began = Instant::now();
    let (events, token) = next(&mut tailed).await;
    let late = began.elapsed().checked_sub(HEARTBEAT).expect("not early");
    assert!(events.is_empty() && late < Duration::from_millis(2), "{events:?}, {late:?} late");
    assert_eq!(next(&mut tailed).await.0, ["last"]);
    writing.await.unwrap();
    // Tokens are not bound to tags: what was passed over does not come again.
    let mut resumed = follow(&service, tail(token)).await;
    next(&mut resumed).await;
    let (events, _) = next(&mut resumed).await;
    assert!(events.len() < 9 && events.last().is_some_and(|event| event == "last"), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_comes_from_a_log_that_has_always_more_to_read() {
    let backend = Watched { never_matches: Some(HEARTBEAT / 4), ..Watched::default() };
    let (service, _) = service(&Arc::new(backend));
    let mut tailed = follow(&service, tail(TailFrom::Now)).await;
    let began = Instant::now();
    for _ in 0..3 {
        let message = tokio::time::timeout(2 * HEARTBEAT, next(&mut tailed)).await;
        assert_eq!(message.expect("a message").0, [""; 0]);
    }
    let late = began.elapsed().checked_sub(2 * HEARTBEAT).expect("not early");
    assert!(late <= HEARTBEAT / 2, "{late:?} late");
}

/// A service that drains when told.
fn draining(backend: &Arc<Watched>) -> (Service<One, ManualClock>, watch::Sender<bool>) {
    let (drain, drains) = watch::channel(false);
    let service = service(backend).0.with_drain(move || {
        let mut drains = drains.clone();
        async move { drop(drains.wait_for(|drains| *drains).await) }.boxed()
    });
    (service, drain)
}

fn assert_draining(end: Option<Result<pb::TailResponse, Status>>) {
    let decoded = Decoded::from_status(&end.expect("a status").expect_err("a status"));
    assert_eq!((decoded.code, &*decoded.reason), (Code::Unavailable, "BACKEND_UNAVAILABLE"));
    assert!(decoded.retry_after.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_a_tail_that_waits_and_its_token_works_at_another_gateway() {
    let backend: Arc<Watched> = Arc::default();
    let (service, drain) = draining(&backend);
    let mut tailed = follow(&service, tail(TailFrom::Now)).await;
    let (_, token) = next(&mut tailed).await;
    assert!(tailed.next().now_or_never().is_none());
    let began = Instant::now();
    drain.send(true).unwrap();
    assert_draining(tailed.next().await);
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(tailed.next().await.is_none());

    write(&service, [event("s", 900, "e")]).await;
    let (other, _) = crate::support::service(&backend);
    let mut resumed = follow(&other, tail(token)).await;
    next(&mut resumed).await;
    assert_eq!(next(&mut resumed).await.0, ["e"]);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_a_tail_whose_events_keep_coming_and_one_whose_page_hangs() {
    let busy: Arc<Watched> = Arc::default();
    let (service, drain) = draining(&busy);
    let mut tailed = follow(&service, tail(TailFrom::Beginning)).await;
    next(&mut tailed).await;
    write(&service, [event("s", 900, "e")]).await;
    drain.send(true).unwrap();
    assert_draining(tailed.next().await);

    let hanging = Arc::new(Watched { hangs_at: Some(0), ..Watched::default() });
    let (service, drain) = draining(&hanging);
    let mut tailed = follow(&service, tail(TailFrom::Beginning)).await;
    next(&mut tailed).await;
    assert!(tailed.next().now_or_never().is_none());
    drain.send(true).unwrap();
    assert_draining(tailed.next().now_or_never().expect("at once"));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_never_read_to_its_end_ends_the_tail() {
    let hanging = Arc::new(Watched { hangs_at: Some(0), ..Watched::default() });
    let (service, _) = service(&hanging);
    let mut tailed = follow(&service, tail(TailFrom::Now)).await;
    next(&mut tailed).await;
    let began = Instant::now();
    let end = tailed.next().await.unwrap().unwrap_err();
    assert_eq!(end.code(), Code::Unavailable);
    assert!(began.elapsed() < Duration::from_secs(31), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_tail_holds_a_slot_while_it_reads_and_none_while_it_waits() {
    let slots = Slots::new(10);
    let request = |service: Service<One, ManualClock>| {
        let mut request = Request::new(tail(TailFrom::Beginning).into_message());
        request.extensions_mut().insert(slots.admission("caller"));
        async move { service.tail(request).await.unwrap().into_inner() }
    };
    let mut idle = request(service(&Arc::default()).0).await;
    assert_eq!(slots.taken(), 1, "admitted");
    next(&mut idle).await;
    assert_eq!(slots.taken(), 0, "between messages");
    assert!(idle.next().now_or_never().is_none());
    assert_eq!(slots.taken(), 0, "waiting");

    let hanging = Arc::new(Watched { hangs_at: Some(0), ..Watched::default() });
    let mut reading = request(service(&hanging).0).await;
    next(&mut reading).await;
    let mut read = Box::pin(reading.next());
    assert!(read.as_mut().now_or_never().is_none());
    assert_eq!(slots.taken(), 1, "reading");
    drop(read);
    drop(reading);
    assert_eq!(slots.taken(), 0, "dropped");
}

#[tokio::test(start_paused = true)]
async fn a_tail_that_is_not_read_reads_nothing() {
    let backend: Arc<Watched> = Arc::default();
    let (service, _) = service(&backend);
    let mut tailed = follow(&service, tail(TailFrom::Beginning)).await;
    next(&mut tailed).await;
    write(&service, [event("s", 900, "e")]).await;
    tokio::time::sleep(10 * HEARTBEAT).await;
    assert_eq!(backend.pages.load(std::sync::atomic::Ordering::SeqCst), 0);
    assert_eq!(next(&mut tailed).await.0, ["e"]);
    assert_eq!(backend.pages.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_open_tail_that_meets_an_expired_event_ends_with_a_token_that_has_expired() {
    let (service, clock) = service(&Arc::default());
    let mut tailed = follow(&service, tail(TailFrom::Beginning)).await;
    next(&mut tailed).await;
    write(&service, [event("s", 900, "e")]).await;
    clock.set(start().saturating_add(Duration::from_secs(401)));
    let decoded = Decoded::from_status(&tailed.next().await.unwrap().unwrap_err());
    assert_eq!((decoded.code, &*decoded.reason), (Code::OutOfRange, "TOKEN_EXPIRED"));
}
