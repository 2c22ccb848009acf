//! Tests of the table, without a connection.

use std::net::Ipv4Addr;

use futures::FutureExt;

use super::*;

fn table(most: usize, most_per_peer: usize, most_streams: usize) -> Arc<Table> {
    Table::new(most, most_per_peer, most_streams, Buffers::new(1 << 20))
}

fn peer(host: u8) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, host), 1).into()
}

fn seat(table: &Arc<Table>, host: u8) -> Option<Seat> {
    table.accepted(peer(host)).try_seat().ok()
}

#[tokio::test]
async fn too_many_that_say_nothing_cost_the_oldest_of_the_address_that_has_most() {
    let table = table(1, 1, 1);
    let neighbour = table.accepted(peer(1));
    let strangers: Vec<_> = (0..PENDING).map(|_| table.accepted(peer(2))).collect();
    assert!(strangers[0].evicted().now_or_never().is_some());
    assert!(strangers[1].evicted().now_or_never().is_none());
    assert!(neighbour.evicted().now_or_never().is_none());
}

#[tokio::test]
async fn a_place_that_is_given_up_is_free_for_another() {
    let table = table(2, 1, 1);
    let first = seat(&table, 1).unwrap();
    assert!(seat(&table, 1).is_none(), "an address has its share");
    let _second = seat(&table, 2).unwrap();
    assert!(seat(&table, 3).is_none(), "the table is full");
    drop(first);
    assert!(seat(&table, 1).is_some());
    assert!(table.state().pending.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_for_a_new_one_and_an_unused_one_sooner() {
    let table = table(2, 2, 100);
    let (first, unused) = (seat(&table, 1).unwrap(), seat(&table, 2).unwrap());
    let used = Arc::clone(&first.connection);
    used.streams.open();
    used.stream_ended();
    assert!(seat(&table, 3).is_none());
    assert!(!unused.connection.closing().is_cancelled(), "it has only just come");
    tokio::time::advance(UNUSED).await;
    assert!(seat(&table, 3).is_none());
    assert!(unused.connection.closing().is_cancelled() && !used.closing().is_cancelled());
    tokio::time::advance(IDLE).await;
    assert!(seat(&table, 3).is_none());
    assert!(used.closing().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_a_call_does_not_give_way() {
    let table = table(1, 1, 100);
    let busy = seat(&table, 1).unwrap();
    busy.connection.streams.open();
    tokio::time::advance(IDLE * 2).await;
    assert!(seat(&table, 2).is_none());
    assert!(!busy.connection.closing().is_cancelled());
}

#[tokio::test]
async fn open_streams_of_many_connections_leave_some_for_a_new_one() {
    let table = table(1_000, 1_000, 1_600);
    let mut seats = Vec::new();
    for host in 0..200 {
        let seat = seat(&table, host).unwrap();
        while !seat.connection.streams.are_too_many() {
            seat.connection.streams.open();
        }
        seats.push(seat);
    }
    let newcomer = seat(&table, 250).unwrap();
    newcomer.connection.streams.open();
    assert!(!newcomer.connection.streams.are_too_many());
}
