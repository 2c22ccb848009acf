//! Drain and shutdown, and the background work of a running server.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use prism_contract::keyvalue::request::{PutRequest, Ttl};
use prism_wire::channel::ConnectError;
use prism_wire::keyvalue::{Client, Resume};
use tokio::net::TcpStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Mode, Server, Steered, get, item, put, refusal, scan, until};

const SOON: Duration = Duration::from_secs(10);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, what).await.expect("it did not happen in ten seconds")
}

async fn ends(server: &mut Server) {
    soon(&mut server.running).await.expect("the server panicked").expect("the server failed");
}

#[tokio::test]
async fn a_call_in_flight_finishes_while_no_connection_is_accepted() {
    let backend = Steered::new(Mode::Hangs);
    let mut server = Server::start_with(backend.clone(), |options| options.limits.drain_timeout = SOON).await;
    let client = server.client().await;
    let call = tokio::spawn(async move { client.put(put(vec![item("k", "v")])).await });
    until("the call is in flight", async || backend.inside() == 1).await;
    server.shutdown.drain();
    let address = server.address;
    until("connections are refused", async || TcpStream::connect(address).await.is_err()).await;
    assert!(!call.is_finished());
    assert_eq!(backend.closed.load(Ordering::SeqCst), 0, "closed under a call in flight");
    backend.set(Mode::Works);
    assert!(call.await.unwrap().unwrap().results[0].applied);
    ends(&mut server).await;
    assert_eq!(backend.closed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_call_still_in_flight_is_cut_after_the_drain_timeout() {
    let backend = Steered::new(Mode::Hangs);
    let mut server = Server::start_with(backend.clone(), |options| {
        options.limits.drain_timeout = Duration::from_millis(100);
    })
    .await;
    let client = server.client().await;
    // A scan's deadline is thirty seconds, so it does not end the call.
    let call = tokio::spawn(async move { client.scan(scan(), Resume::Never).next().await.unwrap() });
    until("the call is in flight", async || backend.inside() == 1).await;
    server.shutdown.drain();
    ends(&mut server).await;
    assert_eq!(refusal(call.await.unwrap()).code, Code::Unavailable);
    until("the backend's call was dropped", async || backend.inside() == 0).await;
}

#[tokio::test]
async fn a_second_signal_cuts_at_once() {
    let backend = Steered::new(Mode::Hangs);
    let mut server =
        Server::start_with(backend.clone(), |options| options.limits.drain_timeout = Duration::from_hours(1))
            .await;
    let client = server.client().await;
    // A scan's deadline is thirty seconds, so it does not end the call.
    let call = tokio::spawn(async move { client.scan(scan(), Resume::Never).next().await.unwrap() });
    until("the call is in flight", async || backend.inside() == 1).await;
    server.shutdown.drain();
    server.shutdown.abort();
    ends(&mut server).await;
    assert_eq!(refusal(call.await.unwrap()).code, Code::Unavailable);
}

#[tokio::test]
async fn a_health_watch_reports_the_drain_and_does_not_block_it() {
    let backend = Steered::new(Mode::Hangs);
    let mut server =
        Server::start_with(backend.clone(), |options| options.limits.drain_timeout = Duration::from_hours(1))
            .await;
    let mut health = HealthClient::new(server.channel().await);
    let request = HealthCheckRequest { service: String::new() };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    while watch.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}
    // A call in flight keeps the connection open, so that the watch is not simply cut.
    let client = server.client().await;
    let call = tokio::spawn(async move { client.get(get()).await });
    until("the call is in flight", async || backend.inside() == 1).await;
    server.shutdown.drain();
    let status = soon(watch.message()).await.unwrap().expect("the watch ended without a status");
    assert_eq!(status.status(), ServingStatus::NotServing);
    assert_eq!(soon(watch.message()).await.unwrap(), None);
    backend.set(Mode::Works);
    call.await.unwrap().unwrap();
    ends(&mut server).await;
}

#[tokio::test]
async fn sweeps_follow_the_servers_clock_and_end_with_it() {
    let backend = Steered::new(Mode::Works);
    let mut server =
        Server::start_with(backend.clone(), |options| options.sweep_interval = Duration::from_millis(1))
            .await;
    until("a sweep", async || !backend.swept.lock().unwrap().is_empty()).await;
    server.clock.advance(Duration::from_secs(5));
    let wanted = prism_wire::clock::Clock::now(&server.clock);
    until("a sweep at the new time", async || backend.swept.lock().unwrap().last() == Some(&wanted)).await;
    server.shutdown.drain();
    ends(&mut server).await;
    let count = backend.swept.lock().unwrap().len();
    tokio::task::yield_now().await;
    assert_eq!(backend.swept.lock().unwrap().len(), count);
}

#[tokio::test]
async fn an_item_is_gone_from_the_moment_it_expires_by_the_servers_clock() {
    let server = Server::start(Steered::new(Mode::Works)).await;
    let client = server.client().await;
    let ttl = Some(Ttl { seconds: 1, nanos: 0 });
    client.put(PutRequest { ttl, ..put(vec![item("k", "v")]) }).await.unwrap();
    server.clock.advance(Duration::from_micros(999_999));
    assert_eq!(client.get(get()).await.unwrap().items.len(), 1);
    server.clock.advance(Duration::from_micros(1));
    assert_eq!(client.get(get()).await.unwrap().items.len(), 0);
}

#[tokio::test]
async fn a_server_that_stopped_cannot_be_reached() {
    let mut server = Server::start(Steered::new(Mode::Works)).await;
    let client = server.client().await;
    client.get(get()).await.unwrap();
    server.shutdown.drain();
    ends(&mut server).await;
    assert_eq!(refusal(client.get(get()).await).code, Code::Unavailable);
    assert!(matches!(Client::connect(&server.options()).await, Err(ConnectError::Unreachable(_))));
}
