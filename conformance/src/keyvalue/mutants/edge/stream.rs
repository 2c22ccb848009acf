//! A Scan under way at a flawed edge: read message by message, as its reader asks (SCAN-3).

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use prism_contract::keyvalue::ScanCursor;
use prism_contract::keyvalue::request::{ScanRequest, ScanResponse};

use super::FlawedStore;
use crate::core::Failure;
use crate::keyvalue::Store;
use crate::keyvalue::mutants::Bug;
use crate::keyvalue::mutants::flawed::{Disk, Flawed};

/// A Scan, and how far it is.
pub(super) struct Reading {
    gateway: FlawedStore,
    asked: ScanRequest,
    cursor: ScanCursor<Flawed>,
    entries: u64,
}

impl FlawedStore {
    /// Starts a Scan.
    pub(super) async fn reading(&self, asked: ScanRequest) -> Result<Reading, Failure> {
        let said = self.flaw.lenient_scan(self.exact_scan(asked.clone()))?;
        let cursor = self.edge.scan(said).map_err(|error| self.failure(error))?;
        let resumed = !asked.resume_token.is_empty();
        let mut reading = Reading { gateway: self.clone(), asked, cursor, entries: 0 };
        if self.has(Bug::ScanLosesAMessageOnResume) && resumed {
            reading.next().await?;
        }
        Ok(reading)
    }

    /// The messages of a Scan, each read when it is asked for.
    pub(super) async fn messages(
        &self,
        asked: ScanRequest,
    ) -> Result<BoxStream<'static, Result<ScanResponse, Failure>>, Failure> {
        if self.has(Bug::ReadsAScanBeforehand) {
            let read = self.scan(asked, None).await?;
            let ahead = Ahead::new(Arc::clone(&self.disk), read);
            let next = |mut ahead: Ahead| async move { Some((Ok(ahead.take()?), ahead)) };
            return Ok(stream::unfold(ahead, next).boxed());
        }
        let reading = self.reading(asked).await?;
        let next =
            |mut reading: Reading| async move { Ok(reading.next().await?.map(|message| (message, reading))) };
        Ok(stream::try_unfold(reading, next).boxed())
    }
}

/// Messages that were read before anybody asked for them, and what they weigh.
struct Ahead {
    disk: Arc<Disk>,
    messages: VecDeque<ScanResponse>,
}

impl Ahead {
    fn new(disk: Arc<Disk>, messages: Vec<ScanResponse>) -> Self {
        disk.read_ahead(messages.iter().map(bytes).sum());
        Self { disk, messages: messages.into() }
    }

    fn take(&mut self) -> Option<ScanResponse> {
        let message = self.messages.pop_front()?;
        self.disk.let_go(bytes(&message));
        Some(message)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.disk.let_go(self.messages.iter().map(bytes).sum());
    }
}

/// What a message's values weigh.
fn bytes(message: &ScanResponse) -> u64 {
    message.entries.iter().map(|entry| entry.item.value.len() as u64).sum()
}

impl Reading {
    /// The next message; `None` after the last (SCAN-1, SCAN-2).
    pub(super) async fn next(&mut self) -> Result<Option<ScanResponse>, Failure> {
        let gateway = &self.gateway;
        let read = self.cursor.next(gateway.now()).await.map_err(|error| gateway.failure(error))?;
        let Some(message) = read else { return Ok(None) };
        let mut message = gateway.loose_message(&self.asked, message);
        self.entries += message.entries.len() as u64;
        if gateway.has(Bug::LastScanMessageIsMissing) && message.entries.is_empty() {
            return Ok(None);
        }
        if gateway.has(Bug::ScanGivesNoTokens) {
            message.resume_token.clear();
        }
        if gateway.has(Bug::ScanLimitEndsWithoutAToken) && self.entries == self.asked.limit {
            message.resume_token.clear();
        }
        Ok(Some(message))
    }
}
