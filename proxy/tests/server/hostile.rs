//! Clients that hold resources: silent connections, calls that wait for their client, unread responses.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures::StreamExt;
use prism_contract::keyvalue::request::PutRequest;
use prism_proxy::metrics::Metrics;
use prism_wire::keyvalue::Resume;
use prism_wire::message::WireRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use crate::metrics::page::Page;
use crate::raw::{Raw, frame};
use crate::support::{Mode, Server, Steered, delete, describe, get, item, put, scan, until};

const MIB: usize = 1 << 20;
/// Long enough that a test that waits for it would fail.
const LONG: Duration = Duration::from_hours(1);

async fn serving(
    change: impl FnOnce(&mut prism_proxy::server::Options),
) -> (std::sync::Arc<Steered>, Server) {
    let backend = Steered::new(Mode::Works);
    let server = Server::start_with(backend.clone(), change).await;
    (backend, server)
}

/// A counter of reasons, for one reason.
fn counted(metrics: &Metrics, name: &str, reason: &str) -> Option<f64> {
    Page::read(&metrics.page()).get(name, &[("reason", reason)])
}

/// Whether the server closes the connection.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut data = Vec::new();
    matches!(stream.read_to_end(&mut data).await, Ok(0) | Err(_))
}

#[rstest::rstest]
#[case::nothing(b"")]
#[case::half_a_preface(b"PRI * HTTP/2")]
#[tokio::test]
async fn silent_connections_do_not_block_others_and_are_closed(#[case] first: &'static [u8]) {
    let metrics = Metrics::default();
    let (_, server) = serving(|options| {
        options.limits.max_connections = 4;
        options.limits.handshake_timeout = Duration::from_secs(2);
        options.metrics = metrics.clone();
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(first).await.unwrap();
        silent.push(stream);
    }
    server.client().await.describe(describe()).await.unwrap();
    for stream in &mut silent {
        assert!(is_closed(stream).await);
    }
    // 256 may be in their handshake at once, and if the machine is slow the first time out before the last arrive.
    let failed =
        ["evicted", "timed_out"].map(|why| counted(&metrics, "prism_handshakes_failed_total", why).unwrap());
    assert!(failed[0] >= 1.0 && failed[1] >= 1.0 && failed[0] + failed[1] <= 300.0, "{failed:?}");
}

#[tokio::test]
async fn silent_connections_do_not_block_a_drain() {
    let (_, mut server) = serving(|options| {
        options.limits.handshake_timeout = LONG;
        options.limits.drain_timeout = LONG;
    })
    .await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    // Completes its handshake, and is silent from then on.
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    server.client().await.describe(describe()).await.unwrap();
    server.shutdown.drain();
    tokio::time::timeout(Duration::from_secs(10), &mut server.running)
        .await
        .expect("the drain was blocked")
        .unwrap()
        .unwrap();
    assert!(is_closed(&mut silent).await);
}

#[tokio::test]
async fn an_unused_connection_is_closed_for_another() {
    let (_, server) = serving(|options| options.limits.max_connections = 1).await;
    let unused = Raw::connect(server.address, 65_535).await;
    server.client().await.describe(describe()).await.unwrap();
    let _ = unused.connection.await.unwrap();
}

#[tokio::test]
async fn a_connection_with_calls_is_kept_and_one_too_many_is_closed() {
    let (backend, server) = serving(|options| {
        options.limits.max_connections = 1;
        options.limits.handshake_timeout = Duration::from_millis(300);
    })
    .await;
    backend.set(Mode::Hangs);
    let client = server.client().await;
    let call = tokio::spawn(async move { client.put(put(vec![item("k", "v")])).await });
    until("the call is in flight", async || backend.inside() == 1).await;
    let mut other = TcpStream::connect(server.address).await.unwrap();
    other.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    assert!(is_closed(&mut other).await);
    backend.set(Mode::Works);
    call.await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_per_address_are_limited() {
    let (backend, server) = serving(|options| {
        options.limits.max_connections_per_peer = Some(2);
        options.limits.handshake_timeout = Duration::from_millis(300);
    })
    .await;
    backend.set(Mode::Hangs);
    let hostile = Ipv4Addr::new(127, 0, 0, 2);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut raw = Raw::connect_from(hostile, server.address, 65_535).await.unwrap();
        let call = raw.call("Put", put(vec![item("k", "v")]).into_message()).await;
        held.push((raw, call));
    }
    until("the calls are in flight", async || backend.inside() == 2).await;
    let third = Raw::connect_from(hostile, server.address, 65_535).await;
    let refused = match third {
        Some(raw) => raw.connection.await.unwrap().is_err(),
        None => true,
    };
    assert!(refused, "a third connection from one address was served");
    server.client().await.describe(describe()).await.unwrap();
}

#[tokio::test]
async fn other_protocols_get_a_readable_error() {
    let (_, server) = serving(|_| {}).await;
    for (request, error) in [
        (&b"GET / HTTP/1.1\r\nhost: prism\r\n\r\n"[..], "speaks HTTP/2 only"),
        (
            b"POST /prism.keyvalue.v1.KeyValueService/Put HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc",
            "HTTP/2 only",
        ),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "plain text, not TLS"),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains(error), "{answer}");
    }
}

#[tokio::test]
async fn a_call_that_waits_for_its_client_takes_no_slot() {
    let (_, server) = serving(|options| options.limits.max_in_flight = 2).await;
    let client = server.client().await;
    for at in 0..4_u8 {
        client.put(put(vec![item(vec![at], vec![0; MIB])])).await.unwrap();
    }
    let mut raw = Raw::connect(server.address, 0).await;
    let mut waiting = Vec::new();
    for _ in 0..10 {
        waiting.push(raw.begin("Put").await);
        waiting.push(raw.call("Scan", scan().into_message()).await);
    }
    for _ in 0..50 {
        client.describe(describe()).await.unwrap();
        client.put(put(vec![item("k", "v")])).await.unwrap();
    }
}

#[tokio::test]
async fn open_calls_per_connection_are_limited_and_others_are_served() {
    // An eighth of the free ones of 4,096 streams.
    const OPEN: usize = 456;
    let metrics = Metrics::default();
    let (_, server) = serving(|options| {
        options.limits.max_in_flight = 1;
        options.metrics = metrics.clone();
    })
    .await;
    let client = server.client().await;
    let mut raw = Raw::connect(server.address, 1 << 20).await;
    let mut open = Vec::new();
    for _ in 0..OPEN {
        open.push(raw.begin("Put").await);
    }
    let refused = raw.begin("Put").await.status().await.unwrap();
    assert_eq!(refused, ((Code::ResourceExhausted as i32).to_string(), 0));
    assert_eq!(counted(&metrics, "prism_calls_shed_total", "streams"), Some(1.0));
    client.put(put(vec![item("k", "v")])).await.unwrap();
    let mut last = open.pop().unwrap();
    last.send(frame(&put(vec![item("l", "v")]).into_message()), true);
    assert_eq!(last.status().await.unwrap().0, "0");
}

#[tokio::test]
async fn unread_responses_are_limited_and_end_with_their_deadline() {
    let (backend, server) = serving(|options| options.limits.max_buffered_bytes = 64 << 20).await;
    let client = server.client().await;
    client.put(put(vec![item("large", vec![0; MIB])])).await.unwrap();
    client.put(PutRequest { id: "small".to_owned(), ..put(vec![item("k", "v")]) }).await.unwrap();
    let before = backend.calls();
    let mut raw = Raw::connect(server.address, 0).await;
    let mut calls = Vec::new();
    for _ in 0..100 {
        let mut call = raw.begin_with("Get", &[("grpc-timeout", "2S")]).await;
        call.send(frame(&get().into_message()), true);
        calls.push(call);
    }
    until("responses were made", async || backend.calls() > before).await;
    let mut other =
        client.get(prism_contract::keyvalue::request::GetRequest { id: "small".to_owned(), ..get() }).await;
    assert_eq!(other.as_mut().unwrap().items.len(), 1);
    for call in calls {
        match call.status().await {
            // Refused for lack of room, or expired while waiting for it.
            Ok((status, 0)) => {
                let refused =
                    [Code::DeadlineExceeded, Code::ResourceExhausted].map(|code| (code as i32).to_string());
                assert!(refused.contains(&status), "status {status}");
            }
            Ok((status, bytes)) => panic!("status {status} after {bytes} bytes"),
            Err(error) => assert_eq!(error.reason(), Some(h2::Reason::CANCEL), "{error}"),
        }
    }
    // A connection's limit is a quarter of the process' bytes: 16 responses of 1 MiB, and some that were being made.
    let made = backend.calls() - before - 1;
    assert!(made <= 24, "{made} responses were made for a client that reads none");
}

#[tokio::test]
async fn reads_continue_when_earlier_responses_are_read() {
    const SIZE: usize = 100 << 10;
    // The connection may hold one of these at a time, and is refused at five.
    let (_, server) = serving(|options| options.limits.max_buffered_bytes = 2 << 20).await;
    let client = server.client().await;
    client.put(put(vec![item("large", vec![0; SIZE])])).await.unwrap();
    let calls = futures::future::join_all((0..40).map(|_| client.get(get()))).await;
    for answer in calls {
        assert_eq!(answer.unwrap().items[0].value.len(), SIZE);
    }
}

#[tokio::test]
async fn incomplete_requests_are_limited() {
    let metrics = Metrics::default();
    let (_, server) = serving(|options| {
        options.limits.max_buffered_bytes = 8 << 20;
        options.metrics = metrics.clone();
    })
    .await;
    let mut raw = Raw::connect(server.address, 65_535).await;
    let mut calls = Vec::new();
    for _ in 0..8 {
        let mut call = raw.begin("Put").await;
        // All but the last byte.
        let message = frame(&put(vec![item("k", vec![0; MIB - 100])]).into_message());
        call.send(message.slice(..message.len() - 1), false);
        calls.push(call);
    }
    let mut refused = 0;
    let mut pending = Vec::new();
    for call in calls {
        // Accepted ones wait for their last byte; those beyond the limit are refused.
        match tokio::time::timeout(Duration::from_secs(2), call.answer).await {
            Ok(answer) => {
                let answer = answer.unwrap();
                assert_eq!(
                    answer.headers()["grpc-status"],
                    (Code::ResourceExhausted as i32).to_string().as_str()
                );
                refused += 1;
            }
            Err(_) => pending.push(call.request),
        }
    }
    assert!((6..=7).contains(&refused), "{refused} of 8 were refused; 2 MiB may be held");
    assert_eq!(counted(&metrics, "prism_calls_shed_total", "buffers"), Some(f64::from(refused)));
    server.client().await.put(put(vec![item("k", "v")])).await.unwrap();
}

#[tokio::test]
async fn an_old_connection_is_replaced_and_its_calls_finish() {
    let (backend, server) = serving(|options| {
        options.limits.max_connection_age = Some(Duration::from_secs(2));
        options.limits.max_connection_age_grace = LONG;
    })
    .await;
    backend.set(Mode::Hangs);
    let mut raw = Raw::connect(server.address, 65_535).await;
    let call = raw.call("Delete", pb_delete()).await;
    until("the call is in flight", async || backend.inside() == 1).await;
    until("the connection takes no more calls", async || raw.requests.clone().ready().await.is_err()).await;
    backend.set(Mode::Works);
    assert_eq!(call.status().await.unwrap().0, "0");
    raw.connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_on_an_old_connection_is_cut_after_the_grace_period() {
    let (backend, server) = serving(|options| {
        options.limits.max_connection_age = Some(Duration::from_secs(2));
        options.limits.max_connection_age_grace = Duration::from_millis(200);
    })
    .await;
    backend.set(Mode::Hangs);
    let mut raw = Raw::connect(server.address, 65_535).await;
    let call = raw.call("Scan", scan().into_message()).await;
    // A Scan may take 30 s.
    let ended = tokio::time::timeout(Duration::from_secs(10), raw.connection).await;
    assert!(ended.is_ok(), "the connection outlives its grace period");
    let error = call.status().await.expect_err("the call was answered");
    assert!(error.is_io() || error.is_go_away() || error.reason().is_some(), "{error:?}");
}

fn pb_delete() -> prism_proto::keyvalue::v1::DeleteRequest {
    let predicate = Some(prism_contract::keyvalue::request::KeyPredicate::MatchAll);
    prism_contract::keyvalue::request::DeleteRequest { predicate, ..delete() }.into_message()
}

#[tokio::test]
async fn interleaved_scans_are_read_to_their_ends() {
    // A connection may hold 4 MiB, exactly what two streams hold with one message in transit and another made each.
    let (_, server) = serving(|options| options.limits.max_buffered_bytes = 16 << 20).await;
    let client = server.client().await;
    for at in 0..8_u8 {
        client.put(put(vec![item(vec![at], vec![at; MIB])])).await.unwrap();
    }
    let mut scans: Vec<_> = (0..2).map(|_| client.scan(scan(), Resume::Never)).collect();
    let mut entries = 0;
    while !scans.is_empty() {
        let mut open = Vec::new();
        for mut messages in scans {
            if let Some(message) = messages.next().await {
                entries += message.unwrap().entries.len();
                open.push(messages);
            }
        }
        scans = open;
    }
    assert_eq!(entries, 16);
}
