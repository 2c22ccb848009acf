//! Tests of the table, without a connection.

use std::net::Ipv4Addr;

use futures::FutureExt;

use super::*;

fn table(most: usize, max_per_peer: usize, max_streams: usize) -> Arc<Table> {
    Table::new(most, max_per_peer, max_streams, Buffers::new(1 << 20))
}

fn peer(host: u8) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, host), 1).into()
}

fn acquire(table: &Arc<Table>, host: u8) -> Option<Permit> {
    table.accepted(peer(host)).try_acquire().ok()
}

#[tokio::test]
async fn too_many_pending_connections_evict_the_oldest_of_the_address_with_most() {
    let table = table(1, 1, 1);
    let neighbour = table.accepted(peer(1));
    let hostile: Vec<_> = (0..MAX_PENDING).map(|_| table.accepted(peer(2))).collect();
    assert_eq!(hostile[0].evicted().now_or_never(), Some(()), "the oldest of the address with most");
    assert!(hostile[1].evicted().now_or_never().is_none());
    assert!(neighbour.evicted().now_or_never().is_none());
}

#[tokio::test]
async fn a_returned_permit_can_be_acquired_again() {
    let table = table(2, 1, 1);
    let first = acquire(&table, 1).unwrap();
    assert!(acquire(&table, 1).is_none(), "the limit of the address");
    let _second = acquire(&table, 2).unwrap();
    assert!(acquire(&table, 3).is_none(), "the table is full");
    drop(first);
    let _again = acquire(&table, 1).expect("the returned permit");
    assert!(acquire(&table, 1).is_none(), "it is the only one of the address");
    assert!(table.state().pending.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_for_a_new_one_and_an_unused_one_sooner() {
    let table = table(2, 2, 100);
    let (first, unused) = (acquire(&table, 1).unwrap(), acquire(&table, 2).unwrap());
    let used = Arc::clone(&first.connection);
    used.streams.open();
    used.stream_ended();
    assert!(acquire(&table, 3).is_none());
    assert!(!unused.connection.closing().is_cancelled(), "it is new");
    tokio::time::advance(UNUSED).await;
    assert!(acquire(&table, 3).is_none());
    assert!(unused.connection.closing().is_cancelled() && !used.closing().is_cancelled());
    tokio::time::advance(IDLE).await;
    assert!(acquire(&table, 3).is_none());
    assert!(used.closing().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_a_call_is_not_evicted() {
    let table = table(1, 1, 100);
    let busy = acquire(&table, 1).unwrap();
    busy.connection.streams.open();
    tokio::time::advance(IDLE * 2).await;
    assert!(acquire(&table, 2).is_none());
    assert!(!busy.connection.closing().is_cancelled());
}

#[tokio::test]
async fn open_streams_of_many_connections_leave_some_for_a_new_one() {
    let table = table(1_000, 1_000, 1_600);
    let mut permits = Vec::new();
    for host in 0..200 {
        let permit = acquire(&table, host).unwrap();
        while !permit.connection.streams.are_too_many() {
            permit.connection.streams.open();
        }
        permits.push(permit);
    }
    let newcomer = acquire(&table, 250).unwrap();
    newcomer.connection.streams.open();
    assert!(!newcomer.connection.streams.are_too_many());
}
