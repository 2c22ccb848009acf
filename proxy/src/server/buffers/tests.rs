//! Tests of the limits on bytes, without a connection.

use futures::FutureExt;

use super::*;

const MIB: usize = 1 << 20;

fn account(buffers: &Arc<Buffers>) -> (Arc<Account>, CancellationToken) {
    let cut = CancellationToken::new();
    (buffers.account(cut.clone()), cut)
}

/// An unread response of `bytes`; `None`: it is too small to be counted.
fn response(account: &Arc<Account>, bytes: usize) -> Option<Held> {
    let reserved = account.reserve().now_or_never().expect("no room at once").expect("refused");
    reserved.commit(bytes).expect("no room for the response")
}

#[tokio::test]
async fn few_first_responses_are_allowed_until_their_size_is_known() {
    let (account, _) = account(&Buffers::new(256 * MIB));
    let reserved: Vec<_> = std::iter::from_fn(|| account.reserve().now_or_never()?.ok()).take(100).collect();
    assert_eq!(reserved.len(), 8, "a sixteenth has room for 8 pages of 2 MiB");
    drop(reserved);
    for _ in 0..20 {
        drop(response(&account, 100));
    }
    let reserved: Vec<_> = std::iter::from_fn(|| account.reserve().now_or_never()?.ok()).take(100).collect();
    assert_eq!(reserved.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn reads_wait_in_order_until_earlier_responses_are_read() {
    let (account, _) = account(&Buffers::new(64 * MIB));
    let first = response(&account, 4 * MIB);
    let mut second = Box::pin(account.reserve());
    let mut third = Box::pin(account.reserve());
    assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
    drop(first);
    let second = second.await.unwrap();
    assert!((&mut third).now_or_never().is_none(), "the third was granted beside the second");
    drop(second);
    third.await.expect("the third was refused");
}

#[tokio::test]
async fn a_page_smaller_than_expected_lets_the_next_one_start_at_once() {
    let (account, _) = account(&Buffers::new(64 * MIB));
    let reserved = [account.reserve_at_once(), account.reserve_at_once()];
    let mut waiting = Box::pin(account.reserve());
    assert!((&mut waiting).now_or_never().is_none(), "a sixteenth has room for 2 pages of 2 MiB");
    let [first, _second] = reserved.map(|reserved| reserved.expect("no room at once"));
    let _held = first.commit(10 << 10).expect("no room for the response");
    waiting.now_or_never().expect("it waits although there is room").expect("refused");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_gets_a_few_more_pages_and_is_then_refused() {
    let (account, cut) = account(&Buffers::new(64 * MIB));
    let mut held = Vec::new();
    let refused = loop {
        match account.reserve().await {
            Ok(reserved) => held.push(reserved.commit(MIB).expect("it was granted")),
            Err(Full) => break held.len(),
        }
    };
    assert_eq!(refused, 16, "a quarter of all");
    assert_eq!(account.hold(MIB).err(), Some(Full));
    assert!(!cut.is_cancelled(), "there is room for others");
    held.clear();
    account.reserve().now_or_never().expect("no room at once").expect("refused");
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_is_served_however_many_read_nothing() {
    let buffers = Buffers::new(64 * MIB);
    let mut held = Vec::new();
    for _ in 0..200 {
        let (account, _) = account(&buffers);
        while held.len() < 2_000 {
            let Ok(reserved) = account.reserve_now() else { break };
            match reserved.commit(MIB / 8) {
                Ok(bytes) => held.push(bytes),
                Err(Full) => break,
            }
        }
    }
    let (account, _) = account(&buffers);
    let reserved = account.reserve().await.unwrap_or_else(|_| panic!("refused"));
    // A small page: less than two of the others' fit into what is free.
    assert_eq!(reserved.commit(10 << 10).map(|held| held.map(|held| held.bytes)), Ok(Some(10 << 10)));
}

#[tokio::test(start_paused = true)]
async fn the_stalled_connection_that_holds_most_is_cut_when_no_bytes_are_left() {
    let buffers = Buffers::new(8 * MIB);
    let ((large, cut_large), (small, cut_small)) = (account(&buffers), account(&buffers));
    let _large = large.hold(4 * MIB).unwrap();
    let _small = small.hold(2 * MIB).unwrap();
    let (other, _) = account(&buffers);
    assert_eq!(other.hold(3 * MIB).err(), Some(Full));
    assert!(!cut_large.is_cancelled(), "it has only just been given its response");
    tokio::time::advance(STALLED).await;
    assert_eq!(other.hold(3 * MIB).err(), Some(Full));
    assert!(cut_large.is_cancelled() && !cut_small.is_cancelled());
}

#[tokio::test]
async fn bytes_are_held_until_the_last_reference_is_dropped() {
    let buffers = Buffers::new(8 * MIB);
    let (account, _) = account(&buffers);
    let mut bytes = account.hold(10).unwrap().keep(Bytes::from_static(b"0123456789"));
    let first = bytes.split_to(4);
    drop(bytes);
    assert_eq!(buffers.free(), 8 * MIB - 10);
    drop(first);
    assert_eq!(buffers.free(), 8 * MIB);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_read_leaks_no_reservation() {
    let buffers = Buffers::new(64 * MIB);
    let (account, _) = account(&buffers);
    let held = response(&account, 4 * MIB);
    let mut waiting = Box::pin(account.reserve());
    assert!((&mut waiting).now_or_never().is_none());
    drop(waiting);
    drop(held);
    let state = lock(&account.state);
    assert_eq!((state.held, state.reserved, state.waiting.len()), (0, 0, 0));
}
