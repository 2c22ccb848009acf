//! A call without a response probes its connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use prism_contract::keyvalue::request::DescribeRequest;
use prism_wire::channel::Options;
use prism_wire::keyvalue::Client;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

/// Answers a KeyValue call once a health call has arrived, as a broken connection fails its queued calls once the channel
/// polls it.
#[derive(Clone)]
struct Held(Arc<Notify>);

#[derive(Clone)]
struct Health(Arc<Notify>);

impl NamedService for Held {
    const NAME: &'static str = "prism.keyvalue.v1.KeyValueService";
}

impl NamedService for Health {
    const NAME: &'static str = "grpc.health.v1.Health";
}

impl Service<Request<Body>> for Held {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let probed = Arc::clone(&self.0);
        Box::pin(async move {
            probed.notified().await;
            Ok(Status::unavailable("released").into_http())
        })
    }
}

impl Service<Request<Body>> for Health {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
        self.0.notify_one();
        Box::pin(async { Ok(Status::unimplemented("no health here").into_http()) })
    }
}

#[tokio::test]
async fn a_call_without_a_response_probes_its_connection() {
    let probed = Arc::new(Notify::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options::new(listener.local_addr().unwrap().to_string());
    let server = tonic::transport::Server::builder()
        .add_service(Held(Arc::clone(&probed)))
        .add_service(Health(probed))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    let client = Client::connect(&options).await.unwrap();
    let call = client.describe(DescribeRequest { namespace: "n".to_owned() });
    let answer =
        tokio::time::timeout(Duration::from_secs(30), call).await.expect("the connection was not probed");
    assert_eq!(answer.unwrap_err().status().map(|status| status.code), Some(Code::Unavailable));
}
