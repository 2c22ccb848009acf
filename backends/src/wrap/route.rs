//! A router: forwards each request to one of several backends, by namespace.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use prism_contract::keyvalue::{
    Capabilities, Delete, EntryPage, Get, ItemPage, KeyValueBackend, Put, PutResult, Scan,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};
use prism_mutants::seeded;

/// Several backends as one; each namespace is in exactly one of them.
pub struct Route {
    backends: Vec<Arc<dyn KeyValueBackend>>,
    choose: Box<dyn Fn(&Namespace) -> usize + Send + Sync>,
}

impl Route {
    /// A router to `backends`. `choose` returns the index of a namespace's backend, always the same one. If the index is
    /// out of range, requests are UNAVAILABLE.
    pub fn new(
        backends: Vec<Arc<dyn KeyValueBackend>>,
        choose: impl Fn(&Namespace) -> usize + Send + Sync + 'static,
    ) -> Self {
        Self { backends, choose: Box::new(choose) }
    }

    fn of(&self, namespace: &Namespace) -> Result<&dyn KeyValueBackend, Error> {
        let chosen = self.backends.get((self.choose)(namespace));
        let first = || self.backends.first().filter(|_| seeded("router/serves-an-unknown-namespace"));
        let backend = chosen.or_else(first).map(|backend| &**backend);
        backend.ok_or_else(|| Error::unavailable("no backend is configured for this namespace"))
    }
}

#[async_trait]
impl Lifecycle for Route {
    /// Checks all backends.
    async fn check(&self) -> Result<(), Error> {
        join_all(self.backends.iter().map(Lifecycle::check)).await.into_iter().collect()
    }

    /// Sweeps all backends, even if one fails; returns the first error.
    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let swept = if seeded("router/sweeps-one-backend") { 1 } else { self.backends.len() };
        join_all(self.backends.iter().take(swept).map(|backend| backend.sweep(now))).await.into_iter().sum()
    }

    async fn close(&self) {
        join_all(self.backends.iter().map(Lifecycle::close)).await;
    }
}

#[async_trait]
impl KeyValueBackend for Route {
    fn capabilities(&self, namespace: &Namespace) -> Capabilities {
        self.of(namespace).map_or(Capabilities::NONE, |backend| backend.capabilities(namespace))
    }

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        self.of(&put.namespace)?.put(put).await
    }

    async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        self.of(&get.namespace)?.get(get).await
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        self.of(&delete.namespace)?.delete(delete).await
    }

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        self.of(&scan.namespace)?.scan(scan).await
    }
}

#[cfg(test)]
mod tests {
    use prism_contract::keyvalue::{Memory, NewItem, Predicate, RecordId, Selection};
    use prism_contract::{Code, forward};

    use super::*;

    fn namespace(name: &str) -> Namespace {
        Namespace::new(name).unwrap()
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }

    /// A Put of one item that expires at 10.
    fn put(name: &str) -> Put {
        let key = prism_contract::keyvalue::Key::new("k").unwrap();
        let item = NewItem { key, value: "v".into(), content_type: String::new(), compression: 0 };
        Put {
            namespace: namespace(name),
            id: RecordId::new("r").unwrap(),
            items: vec![item],
            token: 0,
            expires_at: Some(at(10)),
            preconditions: vec![],
            now: at(1),
        }
    }

    async fn count(backend: &dyn KeyValueBackend, name: &str) -> usize {
        let (predicate, selection) = (Predicate::All, Selection::default());
        let id = RecordId::new("r").unwrap();
        let get = Get { namespace: namespace(name), id, predicate, selection, after: None, now: at(2) };
        backend.get(&get).await.unwrap().items.len()
    }

    #[tokio::test]
    async fn a_namespace_is_in_its_own_backend_only_and_a_sweep_reaches_all_backends() {
        let stores = [(); 2].map(|()| Arc::new(Memory::default()));
        let backends = stores.clone().map(|store| store as Arc<dyn KeyValueBackend>);
        let route = Route::new(backends.into(), |namespace| match namespace.as_str() {
            "first" => 0,
            "second" => 1,
            _ => 2,
        });
        for name in ["first", "second"] {
            route.put(put(name)).await.unwrap();
        }
        for (store, [own, other]) in stores.iter().zip([["first", "second"], ["second", "first"]]) {
            assert_eq!((count(&**store, own).await, count(&**store, other).await), (1, 0));
        }
        let error = route.put(put("third")).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        assert_eq!(route.capabilities(&namespace("first")), Capabilities::ALL);
        assert_eq!(route.sweep(at(10)).await.unwrap().expired, 2);
        route.check().await.unwrap();
    }

    /// A store that cannot be swept.
    struct Unswept(Memory);

    #[async_trait]
    impl Lifecycle for Unswept {
        forward!(Lifecycle: self => self.0, [check, close]);

        async fn sweep(&self, _: Timestamp) -> Result<Swept, Error> {
            Err(Error::unavailable("as the test requires"))
        }
    }

    impl KeyValueBackend for Unswept {
        forward!(KeyValueBackend: self => self.0, [capabilities, put, get, delete, scan]);
    }

    #[tokio::test]
    async fn a_backend_that_fails_to_sweep_keeps_no_other_from_it() {
        let swept = Arc::new(Memory::default());
        let route = Route::new(vec![Arc::new(Unswept(Memory::default())), Arc::clone(&swept) as _], |_| 1);
        route.put(put("second")).await.unwrap();
        assert_eq!(route.sweep(at(10)).await.unwrap_err().code(), Code::Unavailable);
        assert_eq!(swept.sweep(at(10)).await.unwrap(), Swept::default(), "it was swept by the router");
    }
}
