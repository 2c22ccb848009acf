//! A service without the layers in front of it, or with a broken one: the suite catches a server that accepts whatever its
//! framework accepts, that answers in the framework's words, or that reads a compressed message as if it were plain.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body::Frame;
use prism_conformance::keyvalue::mutants::sound;
use prism_conformance::keyvalue::wire::Served;
use prism_conformance::keyvalue::{KeyValue, cases};
use prism_conformance::run::{Settings, Verdict, run_case};
use prism_conformance::wire::{Gateway, OverGrpc};
use prism_conformance::{Harness, OpenError};
use prism_contract::keyvalue::{Edge, Memory};
use prism_proto::keyvalue::v1::key_value_service_server::KeyValueServiceServer;
use prism_wire::body::{Filtered, FrameFilter};
use prism_wire::clock::SystemClock;
use prism_wire::keyvalue::Service;
use prism_wire::layer::StatusesLayer;
use tokio::task::AbortHandle;
use tonic::body::Body;
use tonic::codegen::Service as Calls;
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;

/// What stands in front of the generated service.
#[derive(Clone, Copy)]
enum Front {
    /// The status mapping alone.
    Statuses,
    /// Nothing.
    Nothing,
    /// The status mapping, and a reader that takes a compressed message for a plain one.
    IgnoresCompression,
}

/// The generated service on a free port.
struct Bare {
    address: String,
    serving: AbortHandle,
}

impl Bare {
    fn start(front: Front) -> Result<Self, OpenError> {
        let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(OpenError::new)?;
        let address = incoming.local_addr().map_err(OpenError::new)?.to_string();
        let service = Service::new(Edge::new(Arc::new(Memory::default()), "bare"), SystemClock);
        let service = KeyValueServiceServer::new(service);
        let mut server = tonic::transport::Server::builder();
        let serving = match front {
            Front::Nothing => tokio::spawn(server.add_service(service).serve_with_incoming(incoming)),
            Front::Statuses => {
                let server = server.layer(StatusesLayer).add_service(service);
                tokio::spawn(server.serve_with_incoming(incoming))
            }
            Front::IgnoresCompression => {
                let server = server.layer(StatusesLayer).add_service(IgnoresCompression(service));
                tokio::spawn(server.serve_with_incoming(incoming))
            }
        };
        Ok(Self { address, serving: serving.abort_handle() })
    }
}

/// A service whose requests lose the mark of a compressed message.
#[derive(Clone)]
struct IgnoresCompression<S>(S);

impl<S: NamedService> NamedService for IgnoresCompression<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: Calls<http::Request<Body>>> Calls<http::Request<Body>> for IgnoresCompression<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> S::Future {
        request.headers_mut().remove("grpc-encoding");
        self.0.call(request.map(|body| Body::new(Filtered::new(body, ClearsMark { begun: false }))))
    }
}

/// Clears the first byte of a body, the flag of a compressed message.
struct ClearsMark {
    begun: bool,
}

impl<E> FrameFilter<E> for ClearsMark {
    type Error = E;

    fn frame(
        &mut self,
        frame: Option<Result<Frame<Bytes>, E>>,
        _: impl FnOnce() -> bool,
    ) -> Option<Result<Frame<Bytes>, E>> {
        let first = !std::mem::replace(&mut self.begun, true);
        let cleared = |data: Bytes| [&[0], data.get(1..).unwrap_or_default()].concat().into();
        frame.map(|frame| frame.map(|frame| if first { frame.map_data(cleared) } else { frame }))
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
    for (front, case) in [
        (Front::Statuses, "wire::a_request_that_is_not_one_message_is_refused"),
        (Front::Statuses, "wire::what_is_no_post_of_grpc_is_refused"),
        (Front::Statuses, "wire::reflection_goes_on_after_what_it_does_not_know"),
        (Front::Nothing, "wire::an_unknown_compression_is_unimplemented"),
        (Front::IgnoresCompression, "wire::a_message_in_an_unknown_compression_is_not_done"),
    ] {
        let bare = verdict(&Served::new("bare", move || async move { Bare::start(front) }), case).await;
        assert!(matches!(bare, Verdict::Failed(_)), "{case}: {bare:?}");
        assert_eq!(verdict(&OverGrpc::new(sound()), case).await, Verdict::Passed, "{case}");
    }
}
