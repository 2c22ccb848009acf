//! A service without the layers in front of it: the suite catches a server that accepts whatever its framework accepts.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prism_conformance::keyvalue::mutants::sound;
use prism_conformance::keyvalue::{KeyValue, cases};
use prism_conformance::run::{Settings, Verdict, run_case};
use prism_conformance::wire::{Gateway, OverGrpc, Served};
use prism_conformance::{Harness, OpenError};
use prism_contract::keyvalue::{Edge, Memory};
use prism_proto::keyvalue::v1::key_value_service_server::KeyValueServiceServer;
use prism_wire::clock::SystemClock;
use prism_wire::keyvalue::Service;
use prism_wire::layer::StatusesLayer;
use tokio::task::AbortHandle;
use tonic::transport::server::TcpIncoming;

/// The generated service with no layer in front of it but the status mapping.
struct Bare {
    address: String,
    serving: AbortHandle,
}

impl Bare {
    fn start() -> Result<Self, OpenError> {
        let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(OpenError::new)?;
        let address = incoming.local_addr().map_err(OpenError::new)?.to_string();
        let service = Service::new(Edge::new(Arc::new(Memory::default()), "bare"), SystemClock);
        let server = tonic::transport::Server::builder()
            .layer(StatusesLayer)
            .add_service(KeyValueServiceServer::new(service));
        let serving = tokio::spawn(server.serve_with_incoming(incoming)).abort_handle();
        Ok(Self { address, serving })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[async_trait]
impl Gateway for Bare {
    fn addresses(&self) -> Vec<String> {
        vec![self.address.clone()]
    }

    async fn advance(&self, _: Duration) {}
}

async fn verdict(harness: &dyn Harness<KeyValue>, case: &str) -> Verdict {
    let case = cases::by_id(case).expect("a case of the suite");
    run_case(harness, case, Settings::default()).await.verdict
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_its_front_layers_is_caught_and_a_sound_one_passes() {
    for case in [
        "wire::a_request_that_is_not_one_message_is_refused",
        "wire::what_is_no_post_of_grpc_is_refused",
        "wire::reflection_goes_on_after_what_it_does_not_know",
    ] {
        let bare = verdict(&Served::new("bare", || async { Bare::start() }), case).await;
        assert!(matches!(bare, Verdict::Failed(_)), "{case}: {bare:?}");
        assert_eq!(verdict(&OverGrpc::new(sound()), case).await, Verdict::Passed, "{case}");
    }
}
