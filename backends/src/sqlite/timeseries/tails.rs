//! The Tails that wait: woken by the writer in this process, and by a poll when another process has written.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prism_contract::timeseries::Tail;
use prism_contract::{Error, Namespace};
use sqlx::Row;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, Semaphore};
use tokio::time::sleep;

use super::sql;
use crate::engine::{CorruptRow, ReadPermit};
use crate::sqlite::engine::{Connections, discard, translate};
use crate::timeseries::{Buckets, Wakes};

/// Time between two polls, at least; well below the second of TAIL-8.
const POLL: Duration = Duration::from_millis(400);
/// Maximum that is added, so that several processes do not poll in step.
const JITTER_MILLIS: u64 = 200;

/// The Tails that wait, and how far each namespace's log is known to have been announced to them.
#[derive(Default)]
pub(in crate::sqlite) struct Tails {
    wakes: Wakes,
    waiting: Mutex<HashMap<Namespace, Waiting>>,
    /// The first Tail has begun to wait.
    some: Notify,
    closed: AtomicBool,
}

/// The waiting Tails of a namespace.
#[derive(Default)]
struct Waiting {
    tails: usize,
    /// Every waiting Tail was woken for the events up to this position, or has looked since. `None`: unknown.
    announced: Option<i64>,
}

/// The positions of a namespace that a transaction has drawn: after `before`, up to `last`.
pub(in crate::sqlite) struct Drawn {
    pub(super) namespace: Namespace,
    pub(super) before: i64,
    pub(super) last: i64,
}

/// A waiting Tail, until it is dropped.
pub(super) struct Entered<'a> {
    tails: &'a Tails,
    namespace: &'a Namespace,
}

impl Tails {
    /// Registers a Tail that is about to wait. It must enable [`Tails::wake_of`] and look at the log once more afterwards.
    pub(super) fn enter<'a>(&'a self, namespace: &'a Namespace) -> Entered<'a> {
        let mut waiting = self.waiting();
        if waiting.is_empty() {
            self.some.notify_one();
        }
        match waiting.get_mut(namespace) {
            Some(waiting) => waiting.tails += 1,
            None => {
                waiting.insert(namespace.clone(), Waiting { tails: 1, announced: None });
            }
        }
        Entered { tails: self, namespace }
    }

    /// Completes when events of this Tail may have been appended after it was enabled.
    pub(super) fn wake_of(&self, tail: &Tail) -> Notified<'_> {
        self.wakes.of(tail)
    }

    /// Whether the store is closed: nothing wakes any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Wakes every Tail, and lets none wait from now on.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.wakes.wake(&Buckets::ALL);
    }

    /// This process has committed Appends of these buckets. Other processes may have appended before, to any series.
    pub(super) fn appended(&self, drawn: &[Drawn], buckets: &Buckets) {
        let mut others = false;
        {
            let mut waiting = self.waiting();
            for Drawn { namespace, before, last } in drawn {
                if let Some(waiting) = waiting.get_mut(namespace) {
                    others |= waiting.announce(*before);
                    waiting.announce(*last);
                }
            }
        }
        self.wakes.wake(if others { &Buckets::ALL } else { buckets });
    }

    /// Logs have been seen to end at these positions.
    fn seen(&self, ends: &[(Namespace, i64)]) {
        let mut others = false;
        {
            let mut waiting = self.waiting();
            for (namespace, end) in ends {
                if let Some(waiting) = waiting.get_mut(namespace) {
                    others |= waiting.announce(*end);
                }
            }
        }
        if others {
            self.wakes.wake(&Buckets::ALL);
        }
    }

    fn namespaces(&self) -> Vec<Namespace> {
        self.waiting().keys().cloned().collect()
    }

    /// A std mutex: never held across an await, and no panic can leave the map half changed.
    fn waiting(&self) -> MutexGuard<'_, HashMap<Namespace, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Raises the announced position; returns whether there may be events up to it that were not announced.
    fn announce(&mut self, position: i64) -> bool {
        let is_new = self.announced.is_none_or(|announced| position > announced);
        if is_new {
            self.announced = Some(position);
        }
        is_new
    }
}

impl Entered<'_> {
    /// It has looked at the log, up to this position, after it was enabled.
    pub(super) fn looked(&self, end: i64) {
        if let Some(waiting) = self.tails.waiting().get_mut(self.namespace) {
            // An earlier Tail may not have seen what this one has, so a known position stays.
            waiting.announced.get_or_insert(end);
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut waiting = self.tails.waiting();
        if let Some(of_namespace) = waiting.get_mut(self.namespace) {
            of_namespace.tails -= 1;
            if of_namespace.tails == 0 {
                waiting.remove(self.namespace);
            }
        }
    }
}

/// Wakes the Tails of namespaces to which other processes have appended. It reads nothing while no Tail waits.
pub(super) async fn poll(tails: Arc<Tails>, connections: Arc<Connections>) {
    let jitter = Duration::from_millis(RandomState::new().hash_one(0) % JITTER_MILLIS);
    let one = Arc::new(Semaphore::new(1));
    loop {
        sleep(POLL + jitter).await;
        let namespaces = tails.namespaces();
        if namespaces.is_empty() {
            tails.some.notified().await;
            continue;
        }
        let Ok(permit) = Arc::clone(&one).acquire_owned().await else { return };
        // A Tail whose look failed reports the error; the poll is repeated.
        if let Ok(ends) = ends(&connections, ReadPermit::Reserved(permit), &namespaces).await {
            tails.seen(&ends);
        }
    }
}

/// The positions at which the logs of these namespaces end.
async fn ends(
    connections: &Arc<Connections>,
    permit: ReadPermit,
    namespaces: &[Namespace],
) -> Result<Vec<(Namespace, i64)>, Error> {
    let mut lease = connections.lease(permit, false).await?;
    let mut ends = Vec::with_capacity(namespaces.len());
    for names in namespaces.chunks(sql::ENDS) {
        let connection = lease.connection()?.connection();
        let query =
            names.iter().fold(sqlx::query(sql::ends()), |query, name| query.bind(name.as_str().as_bytes()));
        let rows = match query.fetch_all(connection).await {
            Ok(rows) => rows,
            Err(error) => {
                discard(lease);
                return Err(translate(error));
            }
        };
        for row in &rows {
            let number: i64 = row.try_get(0).map_err(translate)?;
            let name = usize::try_from(number).ok().and_then(|number| names.get(number));
            let name = name.ok_or_else(|| translate(CorruptRow::because("a number is out of bounds")))?;
            ends.push((name.clone(), row.try_get(1).map_err(translate)?));
        }
    }
    lease.give_back();
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, pin_mut, poll};
    use prism_contract::PageSize;
    use prism_contract::timeseries::{Position, Series, Tags};

    use super::*;

    fn tail(series: &str) -> Tail {
        Tail {
            namespace: Namespace::new("n").unwrap(),
            series: Some(Series::new(series).unwrap()),
            tags: Tags::default(),
            after: Position::new(&b""[..]),
            passed_over: None,
            page: PageSize::default(),
            without_payload: false,
            expired: None,
        }
    }

    fn drawn(before: i64, last: i64) -> [Drawn; 1] {
        [Drawn { namespace: Namespace::new("n").unwrap(), before, last }]
    }

    #[tokio::test]
    async fn an_append_of_this_process_wakes_no_tail_of_another_series_and_one_after_another_process_wakes_all()
     {
        let tails = Tails::default();
        let tail = tail("a");
        let entered = tails.enter(&tail.namespace);
        entered.looked(7);
        let woken = tails.wake_of(&tail);
        pin_mut!(woken);
        woken.as_mut().enable();
        tails.appended(&drawn(7, 9), &Buckets::default());
        tails.seen(&[(tail.namespace.clone(), 9)]);
        assert!(poll!(&mut woken).is_pending());
        tails.appended(&drawn(10, 11), &Buckets::default());
        assert!(woken.now_or_never().is_some(), "position 10 is another process's");
        let again = tails.wake_of(&tail);
        pin_mut!(again);
        again.as_mut().enable();
        tails.seen(&[(tail.namespace.clone(), 12)]);
        assert!(again.now_or_never().is_some(), "position 12 is another process's");
        drop(entered);
        assert!(tails.waiting().is_empty());
    }

    #[tokio::test]
    async fn nothing_is_known_before_a_tail_has_looked() {
        let tails = Tails::default();
        let tail = tail("a");
        let _entered = tails.enter(&tail.namespace);
        let woken = tails.wake_of(&tail);
        pin_mut!(woken);
        woken.as_mut().enable();
        tails.appended(&drawn(7, 9), &Buckets::default());
        assert_eq!(woken.now_or_never(), Some(()), "events up to 7 may be another process's");
    }
}
