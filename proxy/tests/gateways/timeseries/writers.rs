//! Writers that append at the same time, through all gateways in turn, and a record of when each Append began and ended.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use prism_contract::timeseries::request::AppendRequest;
use prism_wire::timeseries::Client;

use super::{Dice, NAMESPACE, Number};

pub(super) const WRITERS: usize = 16;
pub(super) const SERIES: usize = 8;
/// The writer of the last event of each series.
pub(super) const END: usize = 99;
/// One in so many Appends is repeated.
const REPEATED: usize = 10;

/// The moments at which an Append began and was acknowledged: numbers of one sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) began: usize,
    pub(super) ended: usize,
}

/// What the writers have done.
#[derive(Default)]
pub(super) struct Record {
    moment: AtomicUsize,
    in_flight: AtomicUsize,
    /// Number of Appends that began while another one was under way.
    pub(super) overlapped: AtomicUsize,
    /// Number of Appends that were repeated, whose events were all there already.
    pub(super) repeated: AtomicUsize,
    /// Of each writer's Appends, by number.
    pub(super) spans: Mutex<HashMap<(usize, usize), Span>>,
}

pub(super) fn series(number: usize) -> String {
    format!("s{number}")
}

/// The series of the event at this place of an Append: each writer writes to two.
pub(super) fn series_of(writer: usize, at: usize) -> usize {
    (writer + at % 2) % SERIES
}

fn request(writer: usize, append: usize, events: usize) -> AppendRequest {
    let event = |at| Number { writer, append, at }.event(series(series_of(writer, at)), 0);
    AppendRequest { namespace: NAMESPACE.to_owned(), events: (0..events).map(event).collect() }
}

/// Appends `appends` times `events` events from each of [`WRITERS`] writers.
pub(super) async fn write(clients: &[Client], record: &Arc<Record>, appends: usize, events: usize) {
    let writers = (0..WRITERS).map(|writer| {
        let (clients, record) = (clients.to_vec(), Arc::clone(record));
        tokio::spawn(async move {
            let mut dice = Dice(writer as u64);
            for append in 0..appends {
                let client = &clients[dice.below(clients.len())];
                let others = record.in_flight.fetch_add(1, Ordering::SeqCst);
                record.overlapped.fetch_add(usize::from(others > 0), Ordering::Relaxed);
                let began = record.moment.fetch_add(1, Ordering::SeqCst);
                let results = client.append(request(writer, append, events)).await.unwrap().results;
                let ended = record.moment.fetch_add(1, Ordering::SeqCst);
                record.in_flight.fetch_sub(1, Ordering::SeqCst);
                assert_eq!(results.len(), events);
                assert!(
                    results.iter().all(|result| !result.duplicate),
                    "{writer}-{append} was there already"
                );
                record.spans.lock().unwrap().insert((writer, append), Span { began, ended });
                if dice.below(REPEATED) == 0 {
                    // Through any gateway: an Append whose answer was lost.
                    let client = &clients[dice.below(clients.len())];
                    let results = client.append(request(writer, append, events)).await.unwrap().results;
                    assert!(results.iter().all(|result| result.duplicate), "{writer}-{append} was not there");
                    record.repeated.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    });
    for writer in join_all(writers.collect::<Vec<_>>()).await {
        writer.unwrap();
    }
}

/// Appends the last event of each series.
pub(super) async fn end(client: &Client) {
    let event = |number| Number { writer: END, append: 0, at: number }.event(series(number), 0);
    let events = (0..SERIES).map(event).collect();
    client.append(AppendRequest { namespace: NAMESPACE.to_owned(), events }).await.unwrap();
}
