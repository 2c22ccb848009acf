//! The flawed store as its clients see it: the contract's own edge, and around it the flaws of edges.
//!
//! What an edge gets wrong is one of three things: it takes a request that it must refuse ([`lenient`]), it mistakes
//! whose page token it was given ([`tokens`], [`stream`]), or it says the right thing in the wrong words ([`wording`]).

mod lenient;
mod stream;
mod tokens;
mod wording;

use std::sync::Arc;

use async_trait::async_trait;
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

/// One gateway: a process of the flawed store behind an edge, by a manual clock.
#[derive(Clone)]
pub(super) struct FlawedStore {
    flaw: Flaw,
    edge: Edge<Flawed>,
    disk: Arc<Disk>,
    clock: Arc<ManualClock>,
    /// Told apart by one flaw only: which start of which gateway this is.
    process: u8,
}

impl FlawedStore {
    /// A gateway to `disk`.
    pub(super) fn start(flaw: Flaw, disk: Arc<Disk>, clock: Arc<ManualClock>, process: u8) -> Self {
        let backend = Arc::new(Flawed::start(flaw, Arc::clone(&disk)));
        Self { flaw, edge: Edge::new(backend, "flawed"), disk, clock, process }
    }

    /// The moment it is, by the gateway's clock.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The edge, for what clients do not ask.
    pub(super) fn edge(&self) -> &Edge<Flawed> {
        &self.edge
    }

    fn has(&self, bug: Bug) -> bool {
        self.flaw.has(bug)
    }
}

#[async_trait]
impl Store for FlawedStore {
    async fn put(&self, request: PutRequest) -> Result<PutResponse, Failure> {
        if self.has(Bug::AcknowledgesDuringAnOutage) && self.disk.is_away() {
            return Ok(PutResponse { results: lenient::invented_results(&request) });
        }
        if self.has(Bug::RefusedPutIsWritten) {
            self.write_what_is_valid(&request).await;
        }
        let said = self.flaw.lenient_put(request)?;
        let quoted = self.flaw.quoted_values(&said);
        let answer = self.edge.put(self.now(), said).await;
        answer.map_err(|error| {
            let failure = self.failure(error);
            Failure { message: failure.message.clone() + &quoted, ..failure }
        })
    }

    async fn get(&self, request: GetRequest) -> Result<GetResponse, Failure> {
        let said = self.flaw.lenient_get(self.exact_get(request.clone()))?;
        let answer = self.edge.get(self.now(), said).await;
        let answer = answer.map_err(|error| self.failure(error))?;
        if self.has(Bug::AbsentRecordIsNotFound) && answer.items.is_empty() {
            return Err(Failure::new(StatusCode::NotFound, "there is no such record"));
        }
        Ok(self.flaw.get_answer(&request, self.loose_answer(&request, answer)))
    }

    async fn delete(&self, request: DeleteRequest) -> Result<DeleteResponse, Failure> {
        let said = self.flaw.lenient_delete(request)?;
        let answer = self.edge.delete(self.now(), said).await;
        answer.map_err(|error| self.failure(error))
    }

    async fn scan(
        &self,
        request: ScanRequest,
        messages: Option<usize>,
    ) -> Result<Vec<ScanResponse>, Failure> {
        let mut reading = self.reading(request).await?;
        let mut read = Vec::new();
        while messages != Some(read.len()) {
            let Some(message) = reading.next().await? else { break };
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
        Ok(DescribeResponse { capabilities: self.flaw.claims(), ..answer })
    }
}

impl FlawedStore {
    /// An error in this edge's words.
    fn failure(&self, error: Error) -> Failure {
        self.flaw.wording(error, self.disk.is_away())
    }

    /// Writes those items of a request that are valid by themselves, whatever the rest of it says (PUT-6).
    async fn write_what_is_valid(&self, request: &PutRequest) {
        for item in &request.items {
            let alone = PutRequest { items: vec![item.clone()], ttl: None, ..request.clone() };
            // What is refused here is answered by the request itself.
            let _ = self.edge.put(self.now(), PutRequest { preconditions: Vec::new(), ..alone }).await;
        }
    }
}
