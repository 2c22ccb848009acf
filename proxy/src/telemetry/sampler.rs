//! Which calls are traced: a share of them, and those whose callers trace them, each within a number per second.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::config::Share;

/// Decides whether a call is traced.
pub(super) struct Sampler {
    seed: RandomState,
    calls: AtomicU64,
    /// A hash below it is sampled; `None`: every one is.
    below: Option<u64>,
    max: usize,
    window: Mutex<Window>,
}

/// The traces of a second.
struct Window {
    began: Instant,
    /// That began here.
    own: usize,
    /// That callers asked for.
    asked: usize,
    /// The same by client address; at most as many as there are traces.
    peers: HashMap<Option<IpAddr>, usize>,
}

impl Sampler {
    /// Samples this share of the calls, at most so many per second, and as many again that callers ask for.
    pub(super) fn new(share: Share, max: usize) -> Self {
        let below =
            (share.millionths < 1_000_000).then(|| u64::MAX / 1_000_000 * u64::from(share.millionths));
        let window = Window { began: Instant::now(), own: 0, asked: 0, peers: HashMap::new() };
        Self { seed: RandomState::new(), calls: AtomicU64::default(), below, max, window: Mutex::new(window) }
    }

    /// Whether a call that came without a decision is traced.
    pub(super) fn samples(&self) -> bool {
        let hash = || self.seed.hash_one(self.calls.fetch_add(1, Ordering::Relaxed));
        self.below.is_none_or(|below| hash() < below)
            && self.in_window(|window, max| {
                let has_room = window.own < max;
                window.own += usize::from(has_room);
                has_room
            })
    }

    /// Whether a call is traced that a caller at this address asks to trace. It may have four times what is left, so that
    /// something is left for others.
    pub(super) fn admits(&self, peer: Option<IpAddr>) -> bool {
        self.in_window(|window, max| {
            let of_peer = window.peers.get(&peer).copied().unwrap_or_default();
            let has_room = of_peer < (max - window.asked).saturating_mul(4);
            if has_room {
                window.asked += 1;
                window.peers.insert(peer, of_peer + 1);
            }
            has_room
        })
    }

    fn in_window(&self, take: impl FnOnce(&mut Window, usize) -> bool) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.duration_since(window.began).as_secs() >= 1 {
            (window.began, window.own, window.asked) = (now, 0, 0);
            window.peers.clear();
        }
        take(&mut window, self.max)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn share(millionths: u32) -> Share {
        Share { millionths }
    }

    fn admitted(sampler: &Sampler, peer: u8, calls: usize) -> usize {
        (0..calls).filter(|_| sampler.admits(Some(IpAddr::from([10, 0, 0, peer])))).count()
    }

    #[tokio::test(start_paused = true)]
    async fn the_share_is_sampled() {
        for (millionths, expected) in [(0, 0..=0), (1_000_000, 100_000..=100_000), (10_000, 800..=1_200)] {
            let sampler = Sampler::new(share(millionths), usize::MAX);
            let sampled = (0..100_000).filter(|_| sampler.samples()).count();
            assert!(expected.contains(&sampled), "{millionths}: {sampled}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_second_has_as_many_traces_as_are_allowed() {
        let sampler = Sampler::new(share(1_000_000), 10);
        for _ in 0..3 {
            assert_eq!((0..100).filter(|_| sampler.samples()).count(), 10);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_for_many_traces_leaves_some_for_others_and_for_the_share() {
        let sampler = Sampler::new(share(1_000_000), 100);
        assert_eq!(admitted(&sampler, 1, 1_000), 80);
        assert_eq!(admitted(&sampler, 2, 1_000), 16);
        assert_eq!((0..1_000).filter(|_| sampler.samples()).count(), 100);
        assert_eq!(admitted(&sampler, 3, 10_000), 4);
        assert_eq!(admitted(&sampler, 4, 1), 0);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(admitted(&sampler, 4, 1), 1);
    }
}
