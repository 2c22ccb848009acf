//! `grpc.health.v1` follows the backend (HEALTH-1).

use std::time::Duration;

use futures::future::join_all;
use futures::stream;
use prism_proxy::config::{Digest, Permission, Token};
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use crate::support::{Mode, Server, Steered, get, item, put, refusal, until};

const SERVICES: [&str; 3] =
    ["", "prism.keyvalue.v1.KeyValueService", "prism.timeseries.v1.TimeSeriesService"];

async fn status(health: &mut HealthClient<Channel>, service: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: service.to_owned() };
    health.check(request).await.unwrap().into_inner().status()
}

#[tokio::test]
async fn health_follows_the_backend_down_and_up() {
    let backend = Steered::new(Mode::Unavailable);
    let server =
        Server::start_with(backend.clone(), |options| options.health_interval = Duration::from_millis(5))
            .await;
    let mut health = HealthClient::new(server.channel().await);
    for (mode, wanted) in [
        (Mode::Unavailable, ServingStatus::NotServing),
        (Mode::Works, ServingStatus::Serving),
        (Mode::Unavailable, ServingStatus::NotServing),
        (Mode::Works, ServingStatus::Serving),
        (Mode::Panics, ServingStatus::NotServing),
        (Mode::Works, ServingStatus::Serving),
    ] {
        backend.set(mode);
        for service in SERVICES {
            until("health follows", async || status(&mut health, service).await == wanted).await;
        }
    }
}

#[tokio::test]
async fn the_first_status_is_already_that_of_the_backend() {
    for (mode, wanted) in
        [(Mode::Works, ServingStatus::Serving), (Mode::Unavailable, ServingStatus::NotServing)]
    {
        let server = Server::start(Steered::new(mode)).await;
        let mut health = HealthClient::new(server.channel().await);
        for service in SERVICES {
            assert_eq!(status(&mut health, service).await, wanted, "'{service}'");
        }
    }
}

#[tokio::test]
async fn a_call_that_finds_the_backend_unavailable_changes_health_before_the_next_check() {
    let backend = Steered::new(Mode::Works);
    let server =
        Server::start_with(backend.clone(), |options| options.health_interval = Duration::from_hours(1))
            .await;
    let mut health = HealthClient::new(server.channel().await);
    until("serving", async || status(&mut health, "").await == ServingStatus::Serving).await;
    backend.set(Mode::Unavailable);
    assert_eq!(refusal(server.client().await.get(get()).await).code, Code::Unavailable);
    until("not serving", async || status(&mut health, "").await == ServingStatus::NotServing).await;
}

#[tokio::test]
async fn an_unknown_service_is_not_found_and_health_needs_no_token() {
    let server = Server::start_with(Steered::new(Mode::Works), |options| {
        let digest = Digest::of(b"secret");
        let permissions = vec![Permission::Read];
        options.auth = vec![Token { name: "a".to_owned(), digest, permissions, namespaces: None }].into();
    })
    .await;
    let mut health = HealthClient::new(server.channel().await);
    until("serving", async || status(&mut health, "").await == ServingStatus::Serving).await;
    let request = HealthCheckRequest { service: "no.such.Service".to_owned() };
    assert_eq!(health.check(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_backend_whose_writes_all_fail_is_not_serving_although_it_passes_its_check() {
    let backend = Steered::new(Mode::Works);
    let server =
        Server::start_with(backend.clone(), |options| options.health_interval = Duration::from_millis(20))
            .await;
    let client = server.client().await;
    let mut health = HealthClient::new(server.channel().await);
    let mut becomes = async |wanted, code| {
        until("health follows the writes", async || {
            let answer = client.put(put(vec![item("k", "v")])).await;
            assert_eq!(answer.err().map(|error| error.status().unwrap().code), code);
            client.get(get()).await.unwrap();
            status(&mut health, "").await == wanted
        })
        .await;
    };
    becomes(ServingStatus::Serving, None).await;
    backend.set(Mode::WritesFail);
    becomes(ServingStatus::NotServing, Some(Code::Unavailable)).await;
    backend.set(Mode::Works);
    becomes(ServingStatus::Serving, None).await;
}

#[tokio::test]
async fn a_backend_that_answers_calls_is_serving_however_long_its_check_takes() {
    let backend = Steered::new(Mode::Busy);
    let server =
        Server::start_with(backend.clone(), |options| options.health_interval = Duration::from_millis(20))
            .await;
    let client = server.client().await;
    let mut health = HealthClient::new(server.channel().await);
    until("not serving", async || status(&mut health, "").await == ServingStatus::NotServing).await;
    until("serving, because of its calls", async || {
        client.get(get()).await.unwrap();
        status(&mut health, "").await == ServingStatus::Serving
    })
    .await;
}

#[tokio::test]
async fn a_watch_of_an_unknown_service_reports_it_and_stays_open() {
    let mut server = Server::start(Steered::new(Mode::Works)).await;
    let mut health = HealthClient::new(server.channel().await);
    let request = HealthCheckRequest { service: "no.such.Service".to_owned() };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);
    assert!(futures::FutureExt::now_or_never(watch.message()).is_none(), "it ended");
    // Like any watch it ends with the server.
    server.shutdown.drain();
    while let Ok(Some(_)) = watch.message().await {}
    (&mut server.running).await.unwrap().unwrap();
}

/// Maximum open streams of a kind per connection.
const STREAMS: usize = 8;

#[tokio::test]
async fn health_watches_per_connection_are_limited() {
    let server = Server::start(Steered::new(Mode::Works)).await;
    let mut health = HealthClient::new(server.channel().await);
    let request = || HealthCheckRequest { service: String::new() };
    let watches = join_all((0..100).map(|_| {
        let mut health = health.clone();
        async move { health.watch(request()).await }
    }));
    let (mut open, refused): (Vec<_>, Vec<_>) = watches.await.into_iter().partition(Result::is_ok);
    assert_eq!((open.len(), refused.len()), (STREAMS, 100 - STREAMS));
    assert!(refused.into_iter().all(|refused| refused.unwrap_err().code() == Code::ResourceExhausted));
    until("a check is answered", async || status(&mut health, "").await == ServingStatus::Serving).await;
    let mut other = HealthClient::new(server.channel().await);
    other.watch(request()).await.expect("another connection");
    open.pop();
    until("another watch is possible", async || health.watch(request()).await.is_ok()).await;
}

#[tokio::test]
async fn reflection_streams_per_connection_are_limited() {
    let server = Server::start(Steered::new(Mode::Works)).await;
    let mut reflection = ServerReflectionClient::new(server.channel().await);
    let never = || stream::pending::<ServerReflectionRequest>();
    let mut open = Vec::new();
    for _ in 0..STREAMS {
        open.push(reflection.server_reflection_info(never()).await.unwrap());
    }
    let refused = reflection.server_reflection_info(never()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
}
