//! Clients that reset a call or disconnect before their request is complete: CANCELLED, at INFO, whatever the transport
//! error. They write HTTP/2 frames by hand, since no client library abandons a call like this.

use prism_proto::common::ErrorReason;
use prism_proto::keyvalue::v1 as pb;
use prost::Message;
use rstest::rstest;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::log::Log;
use crate::support::{Mode, Server, Steered, get};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The headers of a Put in HPACK literals.
fn headers() -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/prism.keyvalue.v1.KeyValueService/Put"),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// A Put as a gRPC message.
fn message() -> Vec<u8> {
    let items = vec![pb::Item { key: "k".into(), value: "v".into(), ..pb::Item::default() }];
    let put =
        pb::PutRequest { namespace: "n".to_owned(), id: "i".to_owned(), items, ..pb::PutRequest::default() };
    let put = put.encode_to_vec();
    let mut message = vec![0];
    message.extend(u32::try_from(put.len()).unwrap().to_be_bytes());
    message.extend(put);
    message
}

/// Sends `data` of a Put, waits until the server has it, then sends `end`. The connection stays open until the result is
/// dropped.
async fn put(server: &Server, data: &[u8], end: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    begin.extend(frame(SETTINGS, 0, 0, &[]));
    begin.extend(frame(HEADERS, END_HEADERS, 1, &headers()));
    begin.extend(frame(DATA, 0, 1, data));
    begin.extend(frame(PING, 0, 0, b"answered"));
    socket.write_all(&begin).await.unwrap();
    let mut read = Vec::new();
    while !read.windows(8).any(|bytes| bytes == b"answered") {
        assert_ne!(socket.read_buf(&mut read).await.unwrap(), 0, "the server closed the connection");
    }
    socket.write_all(end).await.unwrap();
    socket
}

/// The log line of the call.
async fn line() -> Value {
    let mut lines = Log::calls(1).await;
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

fn is_cancelled(line: &Value, what: &str) {
    let wanted = ("INFO", "CANCELLED", "CANCELLED");
    let is = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
    assert_eq!((&*is("level"), &*is("status"), &*is("reason")), wanted, "{what}: {line}");
    for level in ["WARN", "ERROR"] {
        assert!(!Log::text().contains(&format!("\"level\":\"{level}\"")), "{what}: {}", Log::text());
    }
}

#[tokio::test]
async fn a_call_reset_within_its_request_is_cancelled_whatever_the_code() {
    let server = Server::start(Steered::new(Mode::Works)).await;
    for code in 0..=14_u32 {
        Log::capture();
        let _open = put(&server, &message()[..9], &frame(RST_STREAM, 0, 1, &code.to_be_bytes())).await;
        is_cancelled(&line().await, &format!("RST_STREAM with {code}"));
    }
    server.client().await.get(get()).await.unwrap();
}

#[rstest]
#[case::closed("the connection is closed", &[])]
#[case::goaway_and_closed("GOAWAY", &frame(GOAWAY, 0, 0, &[0; 8]))]
#[case::goaway_for_an_error("GOAWAY with INTERNAL_ERROR", &frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 2]))]
#[case::a_frame_that_breaks_the_protocol("DATA on stream 0", &frame(DATA, 0, 0, b"x"))]
#[tokio::test]
async fn a_call_whose_connection_ends_within_its_request_is_cancelled(
    #[case] what: &str,
    #[case] end: &[u8],
) {
    Log::capture();
    let server = Server::start(Steered::new(Mode::Works)).await;
    drop(put(&server, &message()[..9], end).await);
    is_cancelled(&line().await, what);
}

#[tokio::test]
async fn a_complete_put_that_is_reset_before_end_stream_is_not_executed() {
    Log::capture();
    let backend = Steered::new(Mode::Works);
    let server = Server::start(backend.clone()).await;
    for code in [0_u32, 8] {
        Log::capture();
        let _open = put(&server, &message(), &frame(RST_STREAM, 0, 1, &code.to_be_bytes())).await;
        is_cancelled(&line().await, &format!("RST_STREAM with {code}"));
    }
    assert_eq!(backend.calls(), 0, "it was executed");
}

#[tokio::test]
async fn a_truncated_message_is_malformed_and_not_cancelled() {
    Log::capture();
    let server = Server::start(Steered::new(Mode::Works)).await;
    let _open = put(&server, &message()[..9], &frame(DATA, END_STREAM, 1, &message()[9..12])).await;
    let line = line().await;
    assert_eq!((&line["level"], &line["status"]), (&"INFO".into(), &"INVALID_ARGUMENT".into()), "{line}");
    let reason = ErrorReason::MalformedMessage.as_str_name();
    assert_eq!(line["reason"], reason.trim_start_matches("ERROR_REASON_"));
}
