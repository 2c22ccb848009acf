//! The contract over a real connection: responses, scans, and refusals by the framework.

mod support;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::StreamExt;
use prism_contract::Timestamp;
use prism_contract::keyvalue::request::{
    DeleteRequest, DescribeRequest, GetRequest, KeyPredicate, ScanRequest, SelectionInput,
};
use prism_contract::keyvalue::{Capabilities, Edge, Limits, Memory, PutResult};
use prism_wire::MAX_REQUEST_BYTES;
use prism_wire::channel::Options;
use prism_wire::clock::SystemClock;
use prism_wire::keyvalue::Service;
use prism_wire::keyvalue::{Client, Resume};
use prism_wire::layer::StatusesLayer;
use prism_wire::message::WireRequest;
use prism_wire::status::Decoded;
use prost::Message;
use support::{Watched, put, serve};
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};
use tower::{Layer as _, Service as _};

fn one_at_a_time() -> ScanRequest {
    ScanRequest {
        namespace: "n".to_owned(),
        selection: SelectionInput { item_limit: 1, ..SelectionInput::default() },
        ..ScanRequest::default()
    }
}

async fn keys_of_a_scan(client: &Client, request: ScanRequest, resume: Resume) -> Vec<Result<Bytes, Code>> {
    let messages = client.scan(request, resume);
    let keys = messages.flat_map(|message| {
        let keys = match message {
            Ok(message) => message.entries.into_iter().map(|entry| Ok(entry.item.key.into_bytes())).collect(),
            Err(error) => vec![Err(error.status().expect("a status").code)],
        };
        futures::stream::iter(keys)
    });
    keys.collect().await
}

#[tokio::test]
async fn the_five_calls_work_over_the_wire_with_the_servers_clock() {
    let (client, _, clock) = serve(Arc::default()).await;
    let answer = client.put(put("i", "k", "v")).await.unwrap();
    assert!(matches!(answer.results[..], [PutResult { applied: true, version: 1.. }]));

    let get = GetRequest { namespace: "n".to_owned(), id: "i".to_owned(), ..GetRequest::default() };
    let page = client.get(get).await.unwrap();
    assert_eq!(page.items[0].value, "v");
    assert_eq!(page.items[0].created_at, prism_wire::clock::Clock::now(&clock));

    assert_eq!(keys_of_a_scan(&client, one_at_a_time(), Resume::Never).await, [Ok("k".into())]);

    let all = Some(KeyPredicate::MatchAll);
    let delete = DeleteRequest {
        namespace: "n".to_owned(),
        id: "i".to_owned(),
        predicate: all,
        ..DeleteRequest::default()
    };
    assert_eq!(client.delete(delete).await.unwrap().deleted_count, 1);

    let described = client.describe(DescribeRequest { namespace: "n".to_owned() }).await.unwrap();
    assert_eq!(described.server_version, "9.9.9");
    assert_eq!((described.capabilities, described.limits), (Capabilities::ALL, Limits::V1));
}

#[tokio::test]
async fn a_slow_reader_stops_the_server_from_reading_further_pages() {
    let backend = Arc::new(Watched::default());
    let (client, _, _) = serve(Arc::clone(&backend)).await;
    for key in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        client.put(put("i", key, vec![0; 1 << 20])).await.unwrap();
    }
    let mut messages = client.scan(one_at_a_time(), Resume::Never);
    messages.next().await.unwrap().unwrap();
    // Once another call on the same connection is answered, the server has done all it will for the scan.
    client.describe(DescribeRequest { namespace: "n".to_owned() }).await.unwrap();
    let read = backend.scans.load(Ordering::SeqCst);
    assert!(read < 8, "{read} pages were read for a reader who took one");
    let rest: Vec<_> = messages.collect().await;
    assert!(rest.len() == 7 && rest.iter().all(Result::is_ok));
}

#[tokio::test]
async fn an_interrupted_scan_resumes_without_duplicates() {
    let backend = Arc::new(Watched { unavailable_at: vec![0, 2, 3, 5], ..Watched::default() });
    let (client, _, _) = serve(backend).await;
    for key in ["a", "b", "c", "d"] {
        client.put(put("i", key, "v")).await.unwrap();
    }
    let keys = keys_of_a_scan(&client, one_at_a_time(), Resume::UpTo(2)).await;
    assert_eq!(keys, ["a", "b", "c", "d"].map(|key| Ok(Bytes::from(key))));
}

#[tokio::test]
async fn a_resumed_scan_keeps_its_limit() {
    let backend = Arc::new(Watched { unavailable_at: vec![1], ..Watched::default() });
    let (client, _, _) = serve(backend).await;
    for key in ["a", "b", "c", "d"] {
        client.put(put("i", key, "v")).await.unwrap();
    }
    let keys = keys_of_a_scan(&client, ScanRequest { limit: 3, ..one_at_a_time() }, Resume::UpTo(1)).await;
    assert_eq!(keys, ["a", "b", "c"].map(|key| Ok(Bytes::from(key))));
}

#[tokio::test]
async fn a_scan_fails_after_the_configured_number_of_consecutive_failures() {
    for (resume, expected) in [(Resume::Never, 2), (Resume::UpTo(2), 4)] {
        let backend = Arc::new(Watched { unavailable_at: (1..100).collect(), ..Watched::default() });
        let (client, _, _) = serve(Arc::clone(&backend)).await;
        for key in ["a", "b"] {
            client.put(put("i", key, "v")).await.unwrap();
        }
        let keys = keys_of_a_scan(&client, one_at_a_time(), resume).await;
        assert_eq!(keys, [Ok("a".into()), Err(Code::Unavailable)]);
        assert_eq!(backend.scans.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test]
async fn a_put_of_four_mebibytes_is_accepted_with_its_framing_and_one_of_five_is_refused_by_its_field() {
    let (client, _, _) = serve(Arc::default()).await;
    let mut request = put("i", "0", vec![1; (1 << 20) - 1]);
    for key in ["1", "2", "3"] {
        request.items.extend(put("i", key, vec![1; (1 << 20) - 1]).items);
    }
    assert_eq!(client.put(request.clone()).await.unwrap().results.len(), 4);
    request.items.extend(put("i", "4", vec![1; 1 << 20]).items);
    let refused = client.put(request).await.unwrap_err();
    let refused = refused.status().unwrap();
    assert_eq!((refused.code, &*refused.reason), (Code::InvalidArgument, "INVALID_REQUEST"));
    assert_eq!(refused.violations[0].field, "items");
}

/// A codec that sends raw bytes, and discards responses.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, bytes: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(bytes);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        bytes.advance(bytes.remaining());
        Ok(Some(()))
    }
}

async fn call(method: &'static str, message: Bytes) -> Result<(), Decoded> {
    let (_, address, _) = serve(Arc::default()).await;
    let channel = Options::new(address.to_string()).endpoint().unwrap().connect().await.unwrap();
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static(method);
    grpc.unary(Request::new(message), path, Raw).await?;
    Ok(())
}

const PUT: &str = "/prism.keyvalue.v1.KeyValueService/Put";

#[tokio::test]
async fn a_message_over_eight_mebibytes_is_invalid_and_the_error_names_the_limit() {
    let mut message = BytesMut::new();
    message.resize(MAX_REQUEST_BYTES + 1, 0);
    let refused = call(PUT, message.freeze()).await.unwrap_err();
    assert_eq!((refused.code, &*refused.reason), (Code::InvalidArgument, "MESSAGE_TOO_LARGE"));
    assert!(refused.message.contains("at most 8388608 bytes"), "{}", refused.message);
}

/// Calls `method` with this many messages, each the same Put; returns the refusal, if any.
async fn call_with(
    client: &Client,
    address: SocketAddr,
    method: &'static str,
    messages: usize,
) -> Option<Decoded> {
    let message = put("i", "k", "v").into_message().encode_to_vec();
    let all = futures::stream::iter(vec![Bytes::from(message); messages]);
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut grpc = Grpc::new(channel.connect().await.unwrap());
    grpc.ready().await.unwrap();
    let answer = grpc.streaming(Request::new(all), http::uri::PathAndQuery::from_static(method), Raw).await;
    let refused = match answer {
        Ok(mut answer) => answer.get_mut().message().await.err(),
        Err(status) => Some(status),
    };
    let get = GetRequest { namespace: "n".to_owned(), id: "i".to_owned(), ..GetRequest::default() };
    let written = !client.get(get).await.unwrap().items.is_empty();
    assert_eq!(written, method == PUT && refused.is_none(), "{method} of {messages} messages");
    refused.map(Decoded::from)
}

#[tokio::test]
async fn a_call_with_no_message_or_two_is_malformed_and_not_executed() {
    let (client, address, _) = serve(Arc::default()).await;
    for method in [PUT, "/prism.keyvalue.v1.KeyValueService/Scan"] {
        for messages in [0, 2, 3] {
            let refused = call_with(&client, address, method, messages).await.expect("a refusal");
            assert_eq!((refused.code, &*refused.reason), (Code::InvalidArgument, "MALFORMED_MESSAGE"));
            assert!(refused.message.contains("this method takes one message"), "{}", refused.message);
        }
    }
    assert!(call_with(&client, address, PUT, 1).await.is_none());
}

/// A body of one chunk that is then truncated, as when its client resets the stream.
struct Truncated(Option<Bytes>);

impl http_body::Body for Truncated {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Status>>> {
        let chunk = self.0.take().map(http_body::Frame::data);
        Poll::Ready(Some(chunk.ok_or_else(|| Status::cancelled("reset by the client"))))
    }
}

#[tokio::test]
async fn a_request_truncated_after_its_message_is_cancelled_and_not_executed() {
    let edge = Edge::new(Arc::new(Memory::default()), "0");
    let mut service = StatusesLayer.layer(Service::new(edge.clone(), SystemClock).into_server());
    let message = put("i", "k", "v").into_message().encode_to_vec();
    let prefix = [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes()].concat();
    let body = Body::new(Truncated(Some([prefix, message].concat().into())));
    let request = http::Request::post(PUT).header("content-type", "application/grpc").body(body).unwrap();
    let answer = service.call(request).await.unwrap();
    let refused = Decoded::from(Status::from_header_map(answer.headers()).unwrap());
    assert_eq!((refused.code, &*refused.reason), (Code::Cancelled, "CANCELLED"));
    let get = GetRequest { namespace: "n".to_owned(), id: "i".to_owned(), ..GetRequest::default() };
    assert!(edge.get(Timestamp::EPOCH, get).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn bytes_that_are_not_the_message_are_invalid() {
    let refused = call(PUT, Bytes::from_static(b"\x0a\xffgarbage")).await.unwrap_err();
    assert_eq!((refused.code, &*refused.reason), (Code::InvalidArgument, "MALFORMED_MESSAGE"));
    assert_eq!(refused.domain, "prism");
}

#[tokio::test]
async fn an_unknown_method_or_service_is_unimplemented() {
    for method in ["/prism.keyvalue.v1.KeyValueService/Increment", "/no.such.Service/Get", "/nonsense"] {
        let refused = call(method, Bytes::new()).await.unwrap_err();
        assert_eq!((refused.code, &*refused.reason), (Code::Unimplemented, "METHOD_NOT_FOUND"), "{method}");
    }
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    // Field 1, the namespace "n", and field 1999, which is unknown.
    let message = Bytes::from_static(b"\x0a\x01n\xfa\x7c\x01x");
    call("/prism.keyvalue.v1.KeyValueService/Describe", message).await.unwrap();
}

#[tokio::test]
async fn invalid_options_are_refused_before_anything_is_sent() {
    let error = |options: Options| async move { Client::connect(&options).await.unwrap_err().to_string() };
    assert!(error(Options::new("ftp://host:1")).await.contains("'ftp://…' is not the address of a server"));
    for endpoint in [
        "http://u:hunter2@h:1",
        "u:hunter2@h",
        "postgres://u:hunter2@h/d",
        "u:hunter2",
        "http://h:1/hunter2",
        "h?hunter2",
        "hunter2://h",
    ] {
        let message = error(Options::new(endpoint)).await;
        assert!(
            message.contains("is not the address of a server") && !message.contains("hunter2"),
            "{endpoint}: {message}"
        );
        assert!(!format!("{:?}", Options::new(endpoint)).contains("hunter2"), "{endpoint}");
    }
    assert!(error(Options { ca: Some(vec![]), ..Options::new("host:1") }).await.contains("https://"));
    let token = Some("a\nb".to_owned());
    assert!(error(Options { token, ..Options::new("host:1") }).await.contains("printable ASCII"));
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(error(Options::new(free.to_string())).await.contains("cannot be reached"));
}
