//! Streams that go on after an interruption.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::StreamExt;
use prism_contract::timeseries::request::{EventInput, ListSeriesRequest, QueryRequest, TailFrom};
use prism_wire::timeseries::{Client, QueryMessages, Resume};
use tonic::Code;

use crate::support::{Watched, append, event, one_at_a_time, serve_backend, tail};

async fn with_four_events(unavailable_at: Vec<usize>) -> (Client, Arc<Watched>) {
    let backend = Arc::new(Watched { unavailable_at, ..Watched::default() });
    let client = serve_backend(&backend).await;
    let events = ["a", "b", "c", "d"].into_iter().zip(900..).map(|(id, at)| event("s", at, id));
    client.append(append(events.collect::<Vec<_>>())).await.unwrap();
    (client, backend)
}

async fn payloads(messages: QueryMessages) -> Vec<Result<Bytes, Code>> {
    let payloads = messages.flat_map(|message| {
        let payloads = match message {
            Ok(message) => message.events.into_iter().map(|event| Ok(event.payload)).collect(),
            Err(error) => vec![Err(error.status().expect("a status").code)],
        };
        futures::stream::iter(payloads)
    });
    payloads.collect().await
}

#[tokio::test]
async fn an_interrupted_query_resumes_exactly_and_keeps_its_limit() {
    let (client, _) = with_four_events(vec![0, 2, 3, 5]).await;
    let all = payloads(client.query(one_at_a_time(), Resume::UpTo(2))).await;
    assert_eq!(all, ["a", "b", "c", "d"].map(|payload| Ok(Bytes::from(payload))));

    let (client, _) = with_four_events(vec![1]).await;
    let request = QueryRequest { limit: 3, reverse: true, ..one_at_a_time() };
    let limited = payloads(client.query(request, Resume::UpTo(1))).await;
    assert_eq!(limited, ["d", "c", "b"].map(|payload| Ok(Bytes::from(payload))));
}

#[tokio::test]
async fn a_query_fails_after_the_configured_number_of_consecutive_failures() {
    for (resume, expected) in [(Resume::Never, 2), (Resume::UpTo(2), 4)] {
        let (client, backend) = with_four_events((1..100).collect()).await;
        let received = payloads(client.query(one_at_a_time(), resume)).await;
        assert_eq!(received, [Ok("a".into()), Err(Code::Unavailable)]);
        assert_eq!(backend.pages.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test]
async fn an_interrupted_list_of_series_resumes_exactly() {
    let backend = Arc::new(Watched { unavailable_at: vec![0, 2], ..Watched::default() });
    let client = serve_backend(&backend).await;
    let names: Vec<_> = (0..1_500).map(|at| format!("series-{at:04}")).collect();
    for names in names.chunks(1_000) {
        let events = names.iter().map(|name| EventInput { series: name.clone(), ..EventInput::default() });
        client.append(append(events.collect::<Vec<_>>())).await.unwrap();
    }
    let request = ListSeriesRequest { namespace: "n".to_owned(), ..ListSeriesRequest::default() };
    let messages: Vec<_> = client.list_series(request, Resume::UpTo(1)).collect().await;
    let listed: Vec<_> = messages.into_iter().map(|message| message.unwrap().series).collect();
    assert_eq!(listed.iter().map(Vec::len).collect::<Vec<_>>(), [1_000, 500]);
    assert_eq!(listed.concat(), names);
}

#[tokio::test]
async fn an_interrupted_tail_goes_on_after_its_last_message_and_repeats_nothing() {
    let (client, backend) = with_four_events(vec![0, 2]).await;
    let mut tailed = client.tail(tail(TailFrom::Beginning), Resume::UpTo(1));
    let mut received = Vec::new();
    while received.len() < 5 {
        let message = tailed.next().await.unwrap().unwrap();
        received.extend(message.events.into_iter().map(|event| event.event.payload));
        if received.len() == 4 {
            client.append(append([event("s", 904, "e")])).await.unwrap();
        }
    }
    assert_eq!(received, ["a", "b", "c", "d", "e"]);
    assert!(backend.pages.load(Ordering::SeqCst) > 3, "both failures were met");
}

#[tokio::test]
async fn a_tail_that_must_not_resume_ends_with_its_error() {
    let (client, _) = with_four_events(vec![0]).await;
    let mut tailed = client.tail(tail(TailFrom::Beginning), Resume::Never);
    tailed.next().await.unwrap().unwrap();
    let error = tailed.next().await.unwrap().unwrap_err();
    assert_eq!(error.status().unwrap().code, Code::Unavailable);
    assert!(tailed.next().await.is_none());
}
