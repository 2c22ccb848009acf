//! KeyValue backends in this process: a [`KeyValueBackend`] behind the contract's edge, on a manual clock.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, PutRequest,
    PutResponse, ScanRequest, ScanResponse,
};
use prism_contract::keyvalue::{Capabilities, Edge, KeyValueBackend};

use super::{InProcess, KeyValue, Store};
use crate::core::{Failure, ManualClock, OpenError, Opener};

/// A backend behind the contract's edge, on a manual clock.
pub struct EdgeStore {
    edge: Edge<Arc<dyn KeyValueBackend>>,
    clock: Arc<ManualClock>,
}

impl EdgeStore {
    /// `backend` on `clock`.
    pub fn new(backend: Arc<dyn KeyValueBackend>, clock: Arc<ManualClock>) -> Self {
        Self { edge: Edge::new(backend, "in-process"), clock }
    }
}

#[async_trait]
impl Store for EdgeStore {
    async fn put(&self, request: PutRequest) -> Result<PutResponse, Failure> {
        Ok(self.edge.put(self.clock.now(), request).await?)
    }

    async fn get(&self, request: GetRequest) -> Result<GetResponse, Failure> {
        Ok(self.edge.get(self.clock.now(), request).await?)
    }

    async fn delete(&self, request: DeleteRequest) -> Result<DeleteResponse, Failure> {
        Ok(self.edge.delete(self.clock.now(), request).await?)
    }

    async fn scan(
        &self,
        request: ScanRequest,
        messages: Option<usize>,
    ) -> Result<Vec<ScanResponse>, Failure> {
        let mut cursor = self.edge.scan(request)?;
        let mut read = Vec::new();
        while messages != Some(read.len()) {
            let Some(message) = cursor.next(self.clock.now()).await? else { break };
            read.push(message);
        }
        Ok(read)
    }

    async fn scan_messages(
        &self,
        request: ScanRequest,
    ) -> Result<BoxStream<'static, Result<ScanResponse, Failure>>, Failure> {
        let (cursor, clock) = (self.edge.scan(request)?, Arc::clone(&self.clock));
        let messages = stream::try_unfold((cursor, clock), |(mut cursor, clock)| async move {
            let message = cursor.next(clock.now()).await?;
            Ok(message.map(|message| (message, (cursor, clock))))
        });
        Ok(messages.boxed())
    }

    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure> {
        Ok(self.edge.describe(&request)?)
    }
}

impl<B: KeyValueBackend> InProcess<(), B> {
    /// A backend without persistence; it declares every capability unless configured otherwise.
    ///
    /// ```
    /// # use prism_conformance::OpenError;
    /// # use prism_conformance::keyvalue::InProcess;
    /// # use prism_contract::keyvalue::Memory;
    /// let harness = InProcess::new("mine", || async { Ok::<_, OpenError>(Memory::default()) });
    /// ```
    pub fn new<F, O>(name: impl Into<String>, open: F) -> Self
    where
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = Result<B, OpenError>> + Send + 'static,
    {
        Self::opened(name, Capabilities::ALL, opener(|| Ok(()), move |_| open()))
    }
}

impl<S: Send + Sync + 'static, B: KeyValueBackend> InProcess<S, B> {
    /// A backend with persistent storage: `location` creates a fresh location that cleans up on drop (a temporary folder), and
    /// `open` opens a backend there, and again after a restart or a crash.
    pub fn durable<P, F, O>(name: impl Into<String>, location: P, open: F) -> Self
    where
        P: Fn() -> Result<S, OpenError> + Send + Sync + 'static,
        F: Fn(Arc<S>) -> O + Send + Sync + 'static,
        O: Future<Output = Result<B, OpenError>> + Send + 'static,
    {
        Self::opened(name, Capabilities::ALL, opener(location, open)).reopening()
    }
}

fn opener<S, B: KeyValueBackend, P, F, O>(location: P, open: F) -> Opener<KeyValue, S, B>
where
    P: Fn() -> Result<S, OpenError> + Send + Sync + 'static,
    F: Fn(Arc<S>) -> O + Send + Sync + 'static,
    O: Future<Output = Result<B, OpenError>> + Send + 'static,
{
    Opener {
        location: Arc::new(location),
        open: Arc::new(move |location| Box::pin(open(location))),
        store: |backend, clock| Arc::new(EdgeStore::new(backend, clock)),
    }
}
