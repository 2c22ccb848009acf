//! `grpc.health.v1` follows the backend (HEALTH-1).

use std::time::Duration;

use prism_proxy::config::{Digest, Permission, Token};
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Mode, Server, Steered, get, refusal, until};

const SERVICES: [&str; 2] = ["", "prism.keyvalue.v1.KeyValueService"];

async fn status(health: &mut HealthClient<Channel>, service: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: service.to_owned() };
    health.check(request).await.unwrap().into_inner().status()
}

#[tokio::test]
async fn health_follows_the_backend_away_and_back() {
    let backend = Steered::new(Mode::IsAway);
    let server =
        Server::start_with(backend.clone(), |options| options.health_interval = Duration::from_millis(5))
            .await;
    let mut health = HealthClient::new(server.channel().await);
    for (mode, wanted) in [
        (Mode::IsAway, ServingStatus::NotServing),
        (Mode::Works, ServingStatus::Serving),
        (Mode::IsAway, ServingStatus::NotServing),
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
async fn the_first_answer_is_already_the_backends() {
    for (mode, wanted) in [(Mode::Works, ServingStatus::Serving), (Mode::IsAway, ServingStatus::NotServing)] {
        let server = Server::start(Steered::new(mode)).await;
        let mut health = HealthClient::new(server.channel().await);
        for service in SERVICES {
            assert_eq!(status(&mut health, service).await, wanted, "'{service}'");
        }
    }
}

#[tokio::test]
async fn a_call_that_finds_the_backend_away_is_news_before_the_next_check_is_due() {
    let backend = Steered::new(Mode::Works);
    let server =
        Server::start_with(backend.clone(), |options| options.health_interval = Duration::from_hours(1))
            .await;
    let mut health = HealthClient::new(server.channel().await);
    until("serving", async || status(&mut health, "").await == ServingStatus::Serving).await;
    backend.set(Mode::IsAway);
    assert_eq!(refusal(server.client().await.get(get()).await).code, Code::Unavailable);
    until("not serving", async || status(&mut health, "").await == ServingStatus::NotServing).await;
}

#[tokio::test]
async fn an_unknown_service_is_not_found_and_health_needs_no_token() {
    let server = Server::start_with(Steered::new(Mode::Works), |options| {
        let digest = Digest::of(b"secret");
        let permissions = vec![Permission::Read];
        options.tokens = vec![Token { name: "a".to_owned(), digest, permissions, namespaces: None }];
    })
    .await;
    let mut health = HealthClient::new(server.channel().await);
    until("serving", async || status(&mut health, "").await == ServingStatus::Serving).await;
    let request = HealthCheckRequest { service: "no.such.Service".to_owned() };
    assert_eq!(health.check(request).await.unwrap_err().code(), Code::NotFound);
}
