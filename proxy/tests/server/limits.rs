//! Limits of a call: deadline, cancellation and load shedding; and recovery from panics.

use std::time::Duration;

use futures::StreamExt;
use prism_contract::keyvalue::request::{ScanRequest, SelectionInput};
use prism_wire::keyvalue::Resume;
use tonic::Code;

use crate::support::{Mode, Server, Steered, get, item, put, refusal, scan, until};

#[tokio::test]
async fn a_deadline_fails_the_call_with_its_reason_and_frees_its_resources() {
    let backend = Steered::new(Mode::Hangs);
    let server = Server::start(backend.clone()).await;
    let client = server.client().await.with_timeout(Some(Duration::from_millis(400)));
    // On a busy machine the client may time out first.
    let mut answered = 0;
    for _ in 0..20 {
        let refused = refusal(client.get(get()).await);
        assert_eq!(refused.code, Code::DeadlineExceeded);
        if refused.domain == "prism" {
            assert_eq!(refused.reason, "DEADLINE_EXCEEDED");
            answered += 1;
        }
        if answered == 3 {
            break;
        }
    }
    assert_eq!(answered, 3, "the framework's deadline always came first");
    until("the backend's call was dropped", async || backend.inside() == 0).await;
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
    until("the backend's call was dropped", async || backend.inside() == 0).await;
}

#[tokio::test]
async fn a_client_that_disconnects_frees_the_resources_of_its_call() {
    let backend = Steered::new(Mode::Hangs);
    let server = Server::start(backend.clone()).await;
    let client = server.client().await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.get(get()).await }
    });
    until("the call reached the backend", async || backend.inside() == 1).await;
    call.abort();
    until("the backend's call was dropped", async || backend.inside() == 0).await;

    let mut messages = client.scan(scan(), Resume::Never);
    let reading = tokio::spawn(async move { messages.next().await.map(|message| message.is_ok()) });
    until("the scan reached the backend", async || backend.inside() == 1).await;
    reading.abort();
    until("the backend's call was dropped", async || backend.inside() == 0).await;
}

#[tokio::test]
async fn one_call_too_many_is_shed_at_once_with_a_retry_delay() {
    let backend = Steered::new(Mode::Hangs);
    let server = Server::start_with(backend.clone(), |options| options.limits.max_in_flight = 2).await;
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
async fn a_panicking_handler_fails_with_internal_and_the_server_keeps_running() {
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
