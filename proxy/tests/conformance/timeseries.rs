//! A gateway of TimeSeries on one backend or several, with the policies of the suite, and backends that can be cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use prism_conformance::OpenError;
use prism_conformance::run::namespace_prefix;
use prism_conformance::timeseries::policies::{POLICIES, SuitePolicy};
use prism_contract::keyvalue;
use prism_contract::timeseries::{
    Append, Bucket, Capabilities, DeleteEvents, EventPage, Expired, Histogram, ListSeries, Partitions,
    Position, Query, Series, SeriesPage, Start, Tail, TailPage, TimeSeriesBackend,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};
use prism_proxy::catalog::{Catalog, Definitions, Snapshot};
use prism_proxy::config::{Abstraction, NamespaceRule, Namespaces, Rule};
use prism_proxy::server::{Services, Store};

use super::Switched;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A backend by its name.
pub(crate) struct Part {
    name: &'static str,
    backend: Arc<Cuttable>,
}

impl Part {
    pub(crate) fn new(name: &'static str, backend: Arc<dyn TimeSeriesBackend>) -> Self {
        Self { name, backend: Arc::new(Cuttable { backend, unavailable: AtomicBool::new(false) }) }
    }
}

/// The backends of one gateway. The KeyValue side of each is in memory, and unused.
pub(crate) struct Gateway {
    parts: Vec<Part>,
}

impl Gateway {
    pub(crate) fn new(parts: Vec<Part>) -> Self {
        Self { parts }
    }

    /// The rules of the suite's namespaces: those of a policy by one digit of a case's number, each on another backend.
    fn rules(&self) -> Vec<Rule> {
        let rule = |policy: &SuitePolicy, rest: String, number: usize| Rule {
            backend: Some(self.parts[number % self.parts.len()].name.to_owned()),
            abstraction: Abstraction::TimeSeries(policy.policy()),
            ..Rule::new(NamespaceRule::Prefix(format!("{}{rest}", policy.prefix)))
        };
        let mut rules = Vec::new();
        for policy in POLICIES {
            rules.push(rule(policy, String::new(), 0));
            rules.extend(DIGITS.iter().enumerate().map(|(number, digit)| {
                rule(policy, format!("{}{}", namespace_prefix(), char::from(*digit)), number)
            }));
        }
        rules
    }
}

#[async_trait]
impl Switched for Gateway {
    fn set_unavailable(&self, unavailable: bool) {
        for part in &self.parts {
            part.backend.unavailable.store(unavailable, Ordering::SeqCst);
        }
    }

    async fn settings(&self) -> Result<(bool, String), OpenError> {
        Err(OpenError::new("the suite of TimeSeries reads no settings"))
    }

    fn services(self: Arc<Self>) -> Services {
        let store = |part: &Part| Store {
            name: part.name.to_owned(),
            required: true,
            // The suite sweeps.
            sweep_interval: Some(Duration::from_hours(1)),
            keyvalue: Arc::new(Idle(Arc::clone(&part.backend))),
            timeseries: Some(Arc::clone(&part.backend) as Arc<dyn TimeSeriesBackend>),
            observed: Arc::default(),
        };
        let stores: Vec<_> = self.parts.iter().map(store).collect();
        let names: Vec<_> = stores.iter().map(|store| store.name.clone()).collect();
        let (rules, default_backend) = (self.rules(), names.first().cloned());
        let namespaces = Namespaces { rules, default_backend, ..Namespaces::default() };
        let keyvalue = stores.iter().map(|store| Arc::clone(&store.keyvalue)).collect();
        let snapshot = Snapshot::new(Definitions::of(&namespaces, &names), keyvalue)
            .with_timeseries(stores.iter().map(|store| store.timeseries.clone()));
        Services { stores, catalog: Catalog::new(snapshot), definitions: None }
    }

    async fn sweep_all(self: Arc<Self>, now: Timestamp) -> Result<(), Error> {
        for part in &self.parts {
            let expired =
                move |namespace: &Namespace| SuitePolicy::of(namespace.as_str()).policy().expired(now);
            while part.backend.expire(&expired).await?.more {}
        }
        Ok(())
    }
}

/// The KeyValue side of a store, which is as available as its TimeSeries side.
struct Idle(Arc<Cuttable>);

#[async_trait]
impl Lifecycle for Idle {
    prism_contract::forward!(Lifecycle: self => self.0, [check, sweep, close]);
}

#[async_trait]
impl keyvalue::KeyValueBackend for Idle {
    fn capabilities(&self, _: &Namespace) -> keyvalue::Capabilities {
        keyvalue::Capabilities::NONE
    }

    async fn put(&self, _: keyvalue::Put) -> Result<Vec<keyvalue::PutResult>, Error> {
        Err(Error::unavailable("this store has no items"))
    }

    async fn get(&self, _: &keyvalue::Get) -> Result<keyvalue::ItemPage, Error> {
        Err(Error::unavailable("this store has no items"))
    }

    async fn delete(&self, _: keyvalue::Delete) -> Result<u64, Error> {
        Err(Error::unavailable("this store has no items"))
    }

    async fn scan(&self, _: &keyvalue::Scan) -> Result<keyvalue::EntryPage, Error> {
        Err(Error::unavailable("this store has no items"))
    }
}

/// Wraps a backend and fails as in an outage while it is set unavailable.
pub(crate) struct Cuttable {
    backend: Arc<dyn TimeSeriesBackend>,
    unavailable: AtomicBool,
}

impl Cuttable {
    fn reach(&self) -> Result<&dyn TimeSeriesBackend, Error> {
        if self.unavailable.load(Ordering::SeqCst) {
            return Err(Error::unavailable("simulated outage"));
        }
        Ok(&*self.backend)
    }
}

#[async_trait]
impl Lifecycle for Cuttable {
    async fn check(&self) -> Result<(), Error> {
        self.reach()?.check().await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        self.reach()?.sweep(now).await
    }

    async fn close(&self) {
        self.backend.close().await;
    }
}

#[async_trait]
impl TimeSeriesBackend for Cuttable {
    fn capabilities(&self, namespace: &Namespace) -> Capabilities {
        self.backend.capabilities(namespace)
    }

    async fn append(&self, append: Append) -> Result<Vec<bool>, Error> {
        self.reach()?.append(append).await
    }

    async fn query(&self, query: &Query) -> Result<EventPage, Error> {
        self.reach()?.query(query).await
    }

    async fn position(
        &self,
        namespace: &Namespace,
        series: Option<&Series>,
        start: Start,
    ) -> Result<Position, Error> {
        self.reach()?.position(namespace, series, start).await
    }

    async fn tail(&self, tail: &Tail) -> Result<TailPage, Error> {
        self.reach()?.tail(tail).await
    }

    async fn appended(&self, tail: &Tail) {
        self.backend.appended(tail).await;
    }

    async fn list_series(&self, list: &ListSeries) -> Result<SeriesPage, Error> {
        self.reach()?.list_series(list).await
    }

    async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>, Error> {
        self.reach()?.histogram(histogram).await
    }

    async fn delete_events(&self, delete: DeleteEvents) -> Result<u64, Error> {
        self.reach()?.delete_events(delete).await
    }

    async fn expire(&self, expired: Expired<'_>) -> Result<Swept, Error> {
        self.reach()?.expire(expired).await
    }

    async fn repartitioned(&self, configured: Partitions<'_>) -> Result<Option<(Namespace, u32)>, Error> {
        self.reach()?.repartitioned(configured).await
    }
}
