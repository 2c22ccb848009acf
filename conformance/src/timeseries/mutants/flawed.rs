//! The reference backend with at most one flaw: each is one wrong branch, `if self.has(Bug::X)`, where a request or an
//! answer passes through.

use std::sync::Arc;

use async_trait::async_trait;
use prism_contract::timeseries::{
    Append, Bucket, Capabilities, Capability, DeleteEvents, EventPage, Expired, Histogram, ListSeries,
    Memory, Partitions, Position, Query, Series, SeriesPage, Start, Tail, TailPage, TimeSeriesBackend,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};

use super::disk::{Boot, Disk};
use super::{Bug, Flaw};

/// One process that serves a [`Disk`]; several may serve the same one.
pub(super) struct Flawed {
    flaw: Flaw,
    disk: Arc<Disk>,
    boot: Boot,
}

impl Flawed {
    /// A process that serves `disk` from now on.
    pub(super) async fn start(flaw: Flaw, disk: Arc<Disk>) -> Self {
        let boot = disk.boot();
        let flawed = Self { flaw, disk, boot };
        if boot.is_again && flawed.has(Bug::LosesEventsOnReopen) {
            flawed.disk.erase();
        }
        if boot.was_killed && flawed.has(Bug::LosesTheLastAppendInACrash) {
            flawed.forget_the_last_append().await;
        }
        flawed
    }

    pub(super) fn has(&self, bug: Bug) -> bool {
        self.flaw.has(bug)
    }

    pub(super) fn flaw(&self) -> Flaw {
        self.flaw
    }

    pub(super) fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// The number of this process.
    pub(super) fn boot(&self) -> u64 {
        self.boot.number
    }

    /// Whether this process was not stopped yet.
    pub(super) fn runs(&self) -> bool {
        self.disk.runs(self.boot.generation)
    }

    pub(super) fn memory(&self) -> Arc<Memory> {
        self.disk.memory()
    }

    /// The name under which this store keeps a namespace.
    pub(super) fn namespace(&self, namespace: &Namespace) -> Namespace {
        if self.has(Bug::NarrowsNamespaces) {
            return Namespace::new(namespace.as_str().replace('.', "_"))
                .unwrap_or_else(|_| namespace.clone());
        }
        namespace.clone()
    }

    /// The name under which this store keeps a series.
    pub(super) fn series(&self, series: &Series) -> Series {
        let name = series.as_str();
        let kept = if self.has(Bug::FoldsCaseOfSeries) {
            name.to_lowercase()
        } else if self.has(Bug::TrimsSeries) {
            name.trim().to_owned()
        } else if self.has(Bug::NarrowsSeries) {
            name.replace('.', "_")
        } else if self.has(Bug::CutsLongSeries) {
            name.chars().take(255).collect()
        } else {
            return series.clone();
        };
        Series::new(kept).unwrap_or_else(|_| series.clone())
    }

    /// The time up to which events have expired, as this store has it.
    pub(super) fn expired(&self, expired: Option<Timestamp>) -> Option<Timestamp> {
        let tick = std::time::Duration::from_micros(1);
        if self.has(Bug::ExpiresATickEarly) {
            return expired.map(|expired| expired.saturating_add(tick));
        }
        if self.has(Bug::ExpiresATickLate) {
            return expired.map(|expired| expired.saturating_sub(tick));
        }
        if self.has(Bug::ExpiresOnlyWhenSwept) { None } else { expired }
    }
}

#[async_trait]
impl Lifecycle for Flawed {
    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn sweep(&self, _: Timestamp) -> Result<Swept, Error> {
        Ok(Swept::default())
    }

    async fn close(&self) {
        self.disk.close();
    }
}

#[async_trait]
impl TimeSeriesBackend for Flawed {
    fn capabilities(&self, _: &Namespace) -> Capabilities {
        if self.has(Bug::ClaimsReverseWithoutIt) {
            return Capabilities::ALL.without(Capability::Reverse);
        }
        if self.has(Bug::UnclaimedStillAnswers) { Capabilities::ALL } else { self.flaw.capabilities() }
    }

    async fn append(&self, append: Append) -> Result<Vec<bool>, Error> {
        self.write_beside_readers(append).await
    }

    async fn query(&self, query: &Query) -> Result<EventPage, Error> {
        self.read_series(query).await
    }

    async fn position(
        &self,
        namespace: &Namespace,
        series: Option<&Series>,
        start: Start,
    ) -> Result<Position, Error> {
        let (namespace, series) = (self.namespace(namespace), series.map(|series| self.series(series)));
        let position = self.memory().position(&namespace, series.as_ref(), start).await?;
        Ok(match start {
            Start::Now if self.has(Bug::TailFromNowBringsTheLastEvent) => super::reads::earlier(&position),
            Start::Now | Start::Beginning => position,
        })
    }

    async fn tail(&self, tail: &Tail) -> Result<TailPage, Error> {
        self.read_log(tail).await
    }

    async fn appended(&self, tail: &Tail) {
        if self.has(Bug::TailWakesTooLate) {
            std::future::pending::<()>().await;
        }
        let tail = Tail { namespace: self.namespace(&tail.namespace), ..tail.clone() };
        self.memory().appended(&tail).await;
    }

    async fn list_series(&self, list: &ListSeries) -> Result<SeriesPage, Error> {
        self.read_names(list).await
    }

    async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>, Error> {
        self.count(histogram).await
    }

    async fn delete_events(&self, delete: DeleteEvents) -> Result<u64, Error> {
        self.remove(delete).await
    }

    async fn expire(&self, expired: Expired<'_>) -> Result<Swept, Error> {
        self.remove_expired(expired).await
    }

    async fn repartitioned(&self, configured: Partitions<'_>) -> Result<Option<(Namespace, u32)>, Error> {
        self.memory().repartitioned(configured).await
    }
}
