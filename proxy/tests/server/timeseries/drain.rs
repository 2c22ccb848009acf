//! How a Tail ends: by a drain, by its client's deadline, and not by a timeout of the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prism_contract::timeseries::Memory;
use prism_contract::timeseries::request::TailFrom;
use prism_proto::timeseries::v1 as pb;
use prism_proto::timeseries::v1::time_series_service_client::TimeSeriesServiceClient;
use prism_wire::status::Decoded;
use prism_wire::timeseries::Resume;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{append, event, ids, next, on, services, tail};
use crate::support::{Mode, Server, Steered, refusal};

#[tokio::test]
async fn a_drain_ends_a_tail_with_unavailable_and_its_last_token_works_at_another_gateway() {
    let (keyvalue, memory) = (Steered::new(Mode::Works), Arc::new(Memory::default()));
    let mut first = Server::start_with(on(&keyvalue, &memory), |options| {
        // The drain does not wait for Tails.
        options.limits.drain_timeout = Duration::from_hours(1);
    })
    .await;
    let second = Server::start_with(on(&keyvalue, &memory), |_| {}).await;
    let client = first.timeseries().await;
    let mut followed = client.tail(tail("events", "s", TailFrom::Now), Resume::Never);
    next(&mut followed).await.unwrap();
    client.append(append("events", vec![event("s", "1")])).await.unwrap();
    let last = next(&mut followed).await.unwrap();
    assert_eq!(last.events.len(), 1);
    first.shutdown.drain();
    let ended = refusal(next(&mut followed).await);
    assert_eq!((ended.code, &*ended.reason), (Code::Unavailable, "BACKEND_UNAVAILABLE"));
    let stopped = tokio::time::timeout(Duration::from_secs(10), &mut first.running).await;
    stopped.expect("the drain waits for the Tail").unwrap().unwrap();

    let client = second.timeseries().await;
    client.append(append("events", vec![event("s", "2")])).await.unwrap();
    let mut resumed = client.tail(tail("events", "s", TailFrom::Token(last.token)), Resume::Never);
    assert_eq!(ids(&mut resumed).await, ["2"]);
    // Nothing was wrong with the store.
    let mut health = HealthClient::new(second.channel().await);
    let status = health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status();
    assert_eq!(status, ServingStatus::Serving);
}

#[tokio::test]
async fn a_tail_ends_at_its_clients_deadline() {
    let server = Server::start_with(services(), |_| {}).await;
    let mut client = TimeSeriesServiceClient::new(server.channel().await);
    let from = Some(pb::tail_request::From::Now(pb::Now {}));
    let (namespace, series) = ("events".to_owned(), "s".to_owned());
    let mut request = Request::new(pb::TailRequest { namespace, series, from, ..pb::TailRequest::default() });
    request.set_timeout(Duration::from_millis(500));
    let begun = Instant::now();
    let mut messages = client.tail(request).await.unwrap().into_inner();
    assert!(messages.message().await.unwrap().unwrap().events.is_empty());
    let ended = messages.message().await.unwrap_err();
    // The server's answer comes before the client's own timer.
    assert_eq!(Decoded::from_status(&ended).reason, "DEADLINE_EXCEEDED");
    assert_eq!(ended.code(), Code::DeadlineExceeded);
    assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_tail_on_a_connection_past_its_age_is_cut_after_the_grace_and_resumes() {
    let server = Server::start_with(services(), |options| {
        options.limits.max_connection_age = Some(Duration::from_millis(200));
        options.limits.max_connection_age_grace = Duration::from_millis(200);
    })
    .await;
    let client = server.timeseries().await;
    let mut followed = client.tail(tail("events", "s", TailFrom::Now), Resume::Never);
    let token = next(&mut followed).await.unwrap().token;
    let ended = loop {
        if let Err(error) = next(&mut followed).await {
            break error;
        }
    };
    // No status of the server: the connection is gone, as for every other stream.
    assert_eq!(refusal::<()>(Err(ended)).code, Code::Unavailable);
    client.append(append("events", vec![event("s", "1")])).await.unwrap();
    let mut resumed = client.tail(tail("events", "s", TailFrom::Token(token)), Resume::UpTo(5));
    assert_eq!(ids(&mut resumed).await, ["1"]);
}
