//! What bounds a call: its deadline, its client's patience, the calls beside it; and what a panic does not end.

use std::time::Duration;

use futures::StreamExt;
use prism_contract::keyvalue::request::{ScanRequest, SelectionInput};
use prism_proto::keyvalue::v1 as pb;
use prism_proto::keyvalue::v1::key_value_service_client::KeyValueServiceClient;
use prism_wire::client::Resume;
use prism_wire::convert::WireRequest;
use prism_wire::status::Decoded;
use tonic::{Code, Request};

use crate::support::{Mode, Server, Steered, describe, get, item, put, refusal, scan, until};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_passed_deadline_answers_with_its_reason_and_frees_what_the_call_held() {
    let backend = Steered::new(Mode::Hangs);
    let server = Server::start(backend.clone()).await;
    let client = server.client().await.with_timeout(Some(Duration::from_millis(400)));
    for _ in 0..5 {
        let refused = refusal(client.get(get()).await);
        assert_eq!((refused.code, &*refused.reason), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
        assert_eq!(refused.domain, "prism", "the framework's answer came first");
    }
    assert_eq!(backend.calls(), 5);
    until("the backend was let go of", async || backend.inside() == 0).await;
}

#[tokio::test]
async fn a_deadline_covers_a_whole_stream() {
    let backend = Steered::new(Mode::Works);
    let server = Server::start(backend.clone()).await;
    let client = server.client().await;
    client.put(put(vec![item("a", "1"), item("b", "2")])).await.unwrap();
    let client = client.with_timeout(Some(Duration::from_millis(400)));
    let request =
        ScanRequest { selection: SelectionInput { item_limit: 1, ..SelectionInput::default() }, ..scan() };
    backend.set(Mode::Hangs);
    let mut messages = client.scan(request, Resume::Never);
    let refused = refusal(messages.next().await.unwrap());
    assert_eq!((refused.code, &*refused.reason), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    until("the backend was let go of", async || backend.inside() == 0).await;
}

#[tokio::test]
async fn a_client_that_goes_away_frees_what_its_call_held() {
    let backend = Steered::new(Mode::Hangs);
    let server = Server::start(backend.clone()).await;
    let client = server.client().await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.get(get()).await }
    });
    until("the call reached the backend", async || backend.inside() == 1).await;
    call.abort();
    until("the backend was let go of", async || backend.inside() == 0).await;

    let mut messages = client.scan(scan(), Resume::Never);
    let reading = tokio::spawn(async move { messages.next().await.map(|message| message.is_ok()) });
    until("the scan reached the backend", async || backend.inside() == 1).await;
    reading.abort();
    until("the backend was let go of", async || backend.inside() == 0).await;
}

#[tokio::test]
async fn one_call_too_many_is_shed_at_once_and_told_when_to_come_back() {
    let backend = Steered::new(Mode::Hangs);
    let server = Server::start_with(backend.clone(), |options| options.max_in_flight = 2).await;
    let client = server.client().await;
    let held: Vec<_> = (0..2)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get(get()).await })
        })
        .collect();
    until("two calls are in flight", async || backend.inside() == 2).await;
    let refused = refusal(client.get(get()).await);
    assert_eq!((refused.code, &*refused.reason), (Code::ResourceExhausted, "OVERLOADED"));
    assert_eq!(refused.retry_after, Some(Duration::from_millis(100)));
    assert_eq!(backend.calls(), 2, "a call that was shed reached the backend");
    backend.set(Mode::Works);
    for call in held {
        call.await.unwrap().unwrap();
    }
    client.get(get()).await.unwrap();
}

#[tokio::test]
async fn a_stream_counts_as_in_flight_until_it_ends_or_its_time_is_over_read_or_not() {
    let backend = Steered::new(Mode::Works);
    let server = Server::start_with(backend.clone(), |options| options.max_in_flight = 1).await;
    let client = server.client().await;
    for at in 0..20_u8 {
        client.put(put(vec![item(vec![at], vec![0; MIB])])).await.unwrap();
    }
    let mut raw = KeyValueServiceClient::new(server.channel().await).max_decoding_message_size(4 * MIB);
    let mut request: Request<pb::ScanRequest> = Request::new(scan().into_message());
    request.set_timeout(Duration::from_millis(700));
    let mut messages = raw.scan(request).await.unwrap().into_inner();
    // The stream waits for its reader, who reads nothing: it is in flight.
    assert_eq!(refusal(client.describe(describe()).await).code, Code::ResourceExhausted);
    until("the stream's time was over", async || client.describe(describe()).await.is_ok()).await;
    let end = loop {
        match messages.message().await {
            Ok(message) => assert!(message.is_some(), "the stream ended as if it was whole"),
            Err(status) => break Decoded::from_status(&status),
        }
    };
    assert_eq!((end.code, &*end.reason), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
}

#[tokio::test]
async fn a_handler_that_panics_answers_internal_and_the_server_goes_on() {
    let backend = Steered::new(Mode::Panics);
    let server = Server::start(backend.clone()).await;
    let client = server.client().await;
    let mut messages = client.scan(scan(), Resume::Never);
    for refused in [refusal(client.get(get()).await), refusal(messages.next().await.unwrap())] {
        assert_eq!((refused.code, &*refused.reason, &*refused.domain), (Code::Internal, "INTERNAL", "prism"));
        assert!(!refused.message.contains("as the test asked"), "{}", refused.message);
    }
    backend.set(Mode::Works);
    client.put(put(vec![item("k", "v")])).await.unwrap();
}

#[tokio::test]
async fn a_connection_too_many_waits_until_another_ends() {
    let server = Server::start_with(Steered::new(Mode::Works), |options| options.max_connections = 1).await;
    let first = server.client().await;
    first.describe(describe()).await.unwrap();
    let second = {
        let options = server.options();
        tokio::spawn(async move {
            let client = prism_wire::client::Client::connect(&options).await?;
            Ok::<_, prism_wire::client::ConnectError>(client.describe(describe()).await)
        })
    };
    // The server has every chance to answer the second while it answers the first.
    for _ in 0..100 {
        first.describe(describe()).await.unwrap();
    }
    assert!(!second.is_finished());
    drop(first);
    second.await.unwrap().unwrap().unwrap();
}
