//! Gateway of the flawed store: the contract's edge, and around it the flaws of edges.
//!
//! There are four kinds of edge flaws: a request that must be refused is accepted ([`lenient`]), a page token is bound to
//! the wrong request ([`tokens`], [`stream`]), the status or answer is wrong ([`wording`]), or its details as they are sent
//! over gRPC (`details`).

#[cfg(feature = "cli")]
mod details;
mod lenient;
mod stream;
mod tokens;
mod wording;

use std::sync::Arc;

use async_trait::async_trait;
#[cfg(feature = "cli")]
use bytes::Bytes;
use futures::stream::BoxStream;
use prism_contract::keyvalue::Edge;
use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, PutRequest,
    PutResponse, ScanRequest, ScanResponse,
};
use prism_contract::{Error, Timestamp};

use super::flawed::{Disk, Flawed};
use super::{Bug, Flaw};
use crate::core::{Failure, ManualClock, StatusCode};
use crate::keyvalue::Store;

/// One gateway: a process of the flawed store behind an edge, on a manual clock.
#[derive(Clone)]
pub(super) struct FlawedStore {
    flaw: Flaw,
    edge: Edge<Arc<Flawed>>,
    disk: Arc<Disk>,
    clock: Arc<ManualClock>,
    /// Process number, which only one flaw uses.
    process: u8,
}

impl FlawedStore {
    /// Starts a gateway on `disk`.
    pub(super) fn start(flaw: Flaw, disk: Arc<Disk>, clock: Arc<ManualClock>, process: u8) -> Self {
        let backend = Arc::new(Flawed::start(flaw, Arc::clone(&disk)));
        Self { flaw, edge: Edge::new(backend, "flawed"), disk, clock, process }
    }

    /// The current time of the gateway's clock.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The edge, for operations that clients cannot call.
    pub(super) fn edge(&self) -> &Edge<Arc<Flawed>> {
        &self.edge
    }

    fn has(&self, bug: Bug) -> bool {
        self.flaw.has(bug)
    }
}

#[async_trait]
impl Store for FlawedStore {
    async fn put(&self, request: PutRequest) -> Result<PutResponse, Failure> {
        if self.has(Bug::AcknowledgesDuringAnOutage) && self.disk.is_unavailable() {
            return Ok(PutResponse { results: lenient::fabricated_results(&request) });
        }
        if self.has(Bug::RefusedPutIsWritten) {
            self.write_valid_items(&request).await;
        }
        let request = self.flaw.lenient_put(request)?;
        let quoted = self.flaw.quoted_values(&request);
        let answer = self.edge.put(self.now(), request).await;
        answer.map_err(|error| {
            let failure = self.failure(error);
            Failure { message: failure.message.clone() + &quoted, ..failure }
        })
    }

    async fn get(&self, request: GetRequest) -> Result<GetResponse, Failure> {
        let exact = self.flaw.lenient_get(self.exact_get(request.clone()))?;
        let answer = self.edge.get(self.now(), exact).await;
        let answer = answer.map_err(|error| self.failure(error))?;
        if self.has(Bug::AbsentRecordIsNotFound) && answer.items.is_empty() {
            return Err(Failure::new(StatusCode::NotFound, "there is no such record"));
        }
        Ok(self.flaw.get_answer(&request, self.loose_answer(&request, answer)))
    }

    async fn delete(&self, request: DeleteRequest) -> Result<DeleteResponse, Failure> {
        let request = self.flaw.lenient_delete(request)?;
        let answer = self.edge.delete(self.now(), request).await;
        answer.map_err(|error| self.failure(error))
    }

    async fn scan(
        &self,
        request: ScanRequest,
        messages: Option<usize>,
    ) -> Result<Vec<ScanResponse>, Failure> {
        let mut scan = self.open_scan(request).await?;
        let mut read = Vec::new();
        while messages != Some(read.len()) {
            let Some(message) = scan.next().await? else { break };
            read.push(message);
        }
        Ok(read)
    }

    async fn scan_messages(
        &self,
        request: ScanRequest,
    ) -> Result<BoxStream<'static, Result<ScanResponse, Failure>>, Failure> {
        self.messages(request).await
    }

    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure> {
        let answer = self.edge.describe(&request);
        let answer = answer.map_err(|error| self.failure(error))?;
        Ok(DescribeResponse { capabilities: self.flaw.capabilities(), ..answer })
    }

    #[cfg(feature = "cli")]
    fn sent_details(&self, details: Bytes) -> Bytes {
        self.flaw.flawed_details(details)
    }
}

impl FlawedStore {
    /// The status of an error, with the flaws of this edge.
    fn failure(&self, error: Error) -> Failure {
        self.flaw.status(error, self.disk.is_unavailable())
    }

    /// Writes the items that are valid by themselves, even if the rest of the request is not (PUT-6).
    async fn write_valid_items(&self, request: &PutRequest) {
        for item in &request.items {
            let single = PutRequest { items: vec![item.clone()], ttl: None, ..request.clone() };
            // A refusal is ignored here: the request itself is answered with it.
            let _ = self.edge.put(self.now(), PutRequest { preconditions: Vec::new(), ..single }).await;
        }
    }
}
