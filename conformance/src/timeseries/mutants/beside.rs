//! Flaws that show only beside another client or in a crash: what is visible while an Append runs.

use std::time::{Duration, Instant};

use prism_contract::Error;
use prism_contract::timeseries::{Append, EventKey, Query, Series, SeriesEvent, Start, TimeSeriesBackend};

use super::Bug;
use super::flawed::Flawed;

/// How long a flawed Append waits for readers, so that one falls into the moment in which it shows.
const WAIT_TIMEOUT: Duration = Duration::from_millis(5);

/// Interval of looking for such reads.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// The same for an Append that is written in two parts.
const PARTS_TIMEOUT: Duration = Duration::from_millis(50);

/// Reads between its parts.
const READS_BETWEEN_PARTS: u64 = 6;

fn keys(events: &[SeriesEvent]) -> Vec<(Series, EventKey)> {
    events.iter().map(|of| (of.series.clone(), of.event.key())).collect()
}

impl Flawed {
    /// An Append, with the flaws that readers beside it see.
    pub(super) async fn write_beside_readers(&self, append: Append) -> Result<Vec<bool>, Error> {
        if self.has(Bug::ReadsBehindRunningAppends) {
            return self.write_before_snapshots(append).await;
        }
        if self.has(Bug::PositionsBeforeTheCommit) {
            let there = self.there(&append).await?;
            let new: Vec<_> = keys(&append.events)
                .into_iter()
                .zip(there)
                .filter_map(|(key, there)| (!there).then_some(key))
                .collect();
            self.disk().notes().hidden.extend(new.iter().cloned());
            let answer = self.write(append).await;
            self.wait_for_reads(1, WAIT_TIMEOUT).await;
            self.disk().notes().hidden.retain(|key| !new.contains(key));
            return answer;
        }
        if self.has(Bug::CrashLeavesHalfAnAppend) && append.events.len() > 1 {
            return self.write_in_two_parts(append).await;
        }
        self.write(append).await
    }

    /// The oldest Append that runs holds back the snapshots of all Queries.
    async fn write_before_snapshots(&self, append: Append) -> Result<Vec<bool>, Error> {
        let (namespace, end) =
            (append.namespace.clone(), self.memory().position(&append.namespace, None, Start::Now).await?);
        let is_oldest = {
            let mut notes = self.disk().notes();
            notes.running += 1;
            if notes.running == 1 {
                notes.behind.insert(namespace, end);
            }
            notes.running == 1
        };
        let answer = self.write(append).await;
        if is_oldest {
            self.wait_for_reads(3, WAIT_TIMEOUT).await;
        }
        let mut notes = self.disk().notes();
        notes.running = notes.running.saturating_sub(1);
        if is_oldest {
            notes.behind.clear();
        }
        answer
    }

    /// The first part is invisible until the second one is there, unless the process is killed in between.
    async fn write_in_two_parts(&self, append: Append) -> Result<Vec<bool>, Error> {
        let there = self.there(&append).await?;
        append.refuse(append.outside().filter(|at| !there[*at]))?;
        let new: Vec<_> = keys(&append.events)
            .into_iter()
            .zip(&there)
            .filter_map(|(key, there)| (!there).then_some(key))
            .collect();
        self.disk().notes().hidden.extend(new.iter().cloned());
        let first = append.events[..append.events.len() / 2].to_vec();
        self.memory().append(Append { events: first, ..append.clone() }).await?;
        // Long enough that a crash beside other clients falls into this moment.
        self.wait_for_reads(READS_BETWEEN_PARTS, PARTS_TIMEOUT).await;
        // A killed process writes nothing more.
        if !self.runs() {
            return Err(Error::unavailable("killed"));
        }
        self.write(append).await?;
        self.disk().notes().hidden.retain(|key| !new.contains(key));
        Ok(there)
    }

    /// Waits until this many reads were answered or the process is killed, at most for this time.
    async fn wait_for_reads(&self, reads: u64, at_most: Duration) {
        let (enough, started) = (self.disk().notes().reads + reads, Instant::now());
        while self.runs() && self.disk().notes().reads < enough && started.elapsed() < at_most {
            // Not by yielding: on a busy machine the client that crashes the store would wait for its turn.
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Counts a read, and leaves out what is not visible yet.
    pub(super) fn hide<E>(&self, events: &mut Vec<E>, key: impl Fn(&E) -> (Series, EventKey)) {
        let mut notes = self.disk().notes();
        notes.reads += 1;
        events.retain(|event| !notes.hidden.contains(&key(event)));
    }

    pub(super) fn change_snapshot(&self, query: &mut Query) {
        if self.has(Bug::ReadsBehindRunningAppends) && query.snapshot.is_none() {
            query.snapshot = self.disk().notes().behind.get(&query.namespace).cloned();
        }
    }
}
