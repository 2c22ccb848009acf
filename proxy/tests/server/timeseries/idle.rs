//! Many Tails that wait take nothing from other calls.

use std::time::Duration;

use futures::future::join_all;
use prism_contract::timeseries::request::TailFrom;
use prism_proto::timeseries::v1 as pb;
use prism_proto::timeseries::v1::time_series_service_client::TimeSeriesServiceClient;
use prism_wire::timeseries::{Client, Resume};
use tonic::transport::Endpoint;

use super::{append, event, ids, next, services, tail};
use crate::support::{Server, get, item, put};

/// Time for a thousand messages, on a machine that logs each frame of them.
const LONG: Duration = Duration::from_mins(2);

/// Opens `count` Tails on a connection without keep-alive, and reads their first messages.
async fn open_raw(server: &Server, count: usize) -> Vec<tonic::Streaming<pb::TailResponse>> {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    let client = TimeSeriesServiceClient::new(endpoint.connect().await.unwrap());
    let open = async |at: usize| {
        let from = Some(pb::tail_request::From::Now(pb::Now {}));
        let (namespace, series) = ("events".to_owned(), format!("s{at}"));
        let request = pb::TailRequest { namespace, series, from, ..pb::TailRequest::default() };
        let mut messages = client.clone().tail(request).await.unwrap().into_inner();
        assert!(messages.message().await.unwrap().unwrap().events.is_empty());
        messages
    };
    join_all((0..count).map(open)).await
}

#[tokio::test]
async fn a_thousand_idle_tails_are_served_by_the_default_limits_and_each_brings_its_events() {
    let server = Server::start_with(services(), |_| {}).await;
    let all = async {
        let (mut first, mut second) = (open_raw(&server, 500).await, open_raw(&server, 500).await);
        server.client().await.put(put(vec![item("k", "v")])).await.unwrap();
        let events = (0..500).map(|at| event(&format!("s{at}"), &at.to_string())).collect();
        server.timeseries().await.append(append("events", events)).await.unwrap();
        for (at, messages) in first.iter_mut().chain(&mut second).enumerate() {
            let events = loop {
                // Heartbeats may come before.
                let message = messages.message().await.unwrap().unwrap();
                if !message.events.is_empty() {
                    break message.events;
                }
            };
            assert_eq!((events.len(), &events[0].series), (1, &format!("s{}", at % 500)));
        }
    };
    tokio::time::timeout(LONG, all).await.expect("never: the events of a thousand Tails");
}

#[tokio::test]
async fn a_tail_holds_no_slot_while_it_waits() {
    let server = Server::start_with(services(), |options| options.limits.max_in_flight = 1).await;
    let client = server.timeseries().await;
    let mut open = Vec::new();
    for _ in 0..20 {
        let mut messages = client.tail(tail("events", "s", TailFrom::Now), Resume::Never);
        next(&mut messages).await.unwrap();
        open.push(messages);
    }
    server.client().await.put(put(vec![item("k", "v")])).await.unwrap();
    client.append(append("events", vec![event("s", "1")])).await.unwrap();
    for messages in &mut open {
        assert_eq!(ids(messages).await, ["1"]);
    }
}

#[tokio::test]
async fn tails_that_wait_hold_no_room_for_the_answers_of_their_connection() {
    let server = Server::start_with(services(), |options| {
        options.limits.max_buffered_bytes = 16 << 20;
        options.heartbeat = Duration::from_hours(1);
    })
    .await;
    let channel = server.channel().await;
    let events = Client::from_channel(channel.clone());
    let items = prism_wire::keyvalue::Client::from_channel(channel);
    for key in ["1", "2"] {
        items.put(put(vec![item(key, vec![0; (1 << 20) - 1])])).await.unwrap();
    }
    let mut open = Vec::new();
    for _ in 0..16 {
        // Answers of this size are expected of the connection from then on, and it may hold 4 MiB.
        assert!(!items.get(get()).await.unwrap().items.is_empty());
        let mut messages = events.tail(tail("events", "s", TailFrom::Now), Resume::Never);
        assert!(next(&mut messages).await.unwrap().events.is_empty());
        open.push(messages);
    }
}
