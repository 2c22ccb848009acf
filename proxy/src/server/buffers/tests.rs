//! Tests of the bounds on bytes, without a connection.

use futures::FutureExt;

use super::*;

const MIB: usize = 1 << 20;

fn account(buffers: &Arc<Buffers>) -> (Arc<Account>, CancellationToken) {
    let cut = CancellationToken::new();
    (buffers.account(cut.clone()), cut)
}

/// An answer of `bytes` that was made and is not taken; `None`: it is too small to be counted.
fn answer(account: &Arc<Account>, bytes: usize) -> Option<Held> {
    let reserved = account.reserve().now_or_never().expect("no room at once").expect("refused");
    reserved.made(bytes).expect("no room for what was made")
}

#[tokio::test]
async fn the_first_answers_are_few_until_their_size_is_known() {
    let (account, _) = account(&Buffers::new(256 * MIB));
    let reserved: Vec<_> = std::iter::from_fn(|| account.reserve().now_or_never()?.ok()).take(100).collect();
    assert_eq!(reserved.len(), 8, "a sixteenth has room for 8 pages of 2 MiB");
    drop(reserved);
    for _ in 0..20 {
        drop(answer(&account, 100));
    }
    let reserved: Vec<_> = std::iter::from_fn(|| account.reserve().now_or_never()?.ok()).take(100).collect();
    assert_eq!(reserved.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_until_earlier_answers_are_taken_in_order() {
    let (account, _) = account(&Buffers::new(64 * MIB));
    let first = answer(&account, 4 * MIB);
    let mut second = Box::pin(account.reserve());
    let mut third = Box::pin(account.reserve());
    assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
    drop(first);
    let second = second.await.unwrap();
    assert!((&mut third).now_or_never().is_none(), "the third was let in beside the second");
    drop(second);
    third.await.expect("the third was refused");
}

#[tokio::test]
async fn a_page_that_is_smaller_than_expected_lets_the_next_one_begin_at_once() {
    let (account, _) = account(&Buffers::new(64 * MIB));
    let reserved = [account.reserve_at_once(), account.reserve_at_once()];
    let mut waiting = Box::pin(account.reserve());
    assert!((&mut waiting).now_or_never().is_none(), "a sixteenth has room for 2 pages of 2 MiB");
    let [first, _second] = reserved.map(|reserved| reserved.expect("no room at once"));
    let _held = first.made(10 << 10).expect("no room for what was made");
    waiting.now_or_never().expect("it waits although there is room").expect("refused");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_given_some_more_and_then_refused() {
    let (account, cut) = account(&Buffers::new(64 * MIB));
    let mut held = Vec::new();
    let refused = loop {
        match account.reserve().await {
            Ok(reserved) => held.push(reserved.made(MIB).expect("it was let in")),
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
async fn however_many_connections_take_nothing_a_new_one_is_answered() {
    let buffers = Buffers::new(64 * MIB);
    let mut held = Vec::new();
    for _ in 0..200 {
        let (account, _) = account(&buffers);
        while held.len() < 2_000 {
            let Ok(reserved) = account.reserve_now() else { break };
            match reserved.made(MIB / 8) {
                Ok(bytes) => held.push(bytes),
                Err(Full) => break,
            }
        }
    }
    let (account, _) = account(&buffers);
    let reserved = account.reserve().await.unwrap_or_else(|_| panic!("refused"));
    // A small page: what is free is less than two of the others'.
    assert_eq!(reserved.made(10 << 10).map(|held| held.map(|held| held.bytes)), Ok(Some(10 << 10)));
}

#[tokio::test(start_paused = true)]
async fn where_no_bytes_are_left_the_stalled_connection_that_holds_most_is_cut() {
    let buffers = Buffers::new(8 * MIB);
    let ((large, cut_large), (small, cut_small)) = (account(&buffers), account(&buffers));
    let _large = large.hold(4 * MIB).unwrap();
    let _small = small.hold(2 * MIB).unwrap();
    let (other, _) = account(&buffers);
    assert_eq!(other.hold(3 * MIB).err(), Some(Full));
    assert!(!cut_large.is_cancelled(), "it has only just been given its answer");
    tokio::time::advance(STALLED).await;
    assert_eq!(other.hold(3 * MIB).err(), Some(Full));
    assert!(cut_large.is_cancelled() && !cut_small.is_cancelled());
}

#[tokio::test]
async fn bytes_are_held_until_the_last_reference_to_them_is_gone() {
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
async fn a_read_that_is_given_up_leaves_nothing_behind() {
    let buffers = Buffers::new(64 * MIB);
    let (account, _) = account(&buffers);
    let held = answer(&account, 4 * MIB);
    let mut waiting = Box::pin(account.reserve());
    assert!((&mut waiting).now_or_never().is_none());
    drop(waiting);
    drop(held);
    let state = lock(&account.state);
    assert_eq!((state.held, state.reserved, state.waiting.len()), (0, 0, 0));
}
