//! An open Scan at a flawed edge, read message by message on demand (SCAN-3).

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use prism_contract::keyvalue::ScanCursor;
use prism_contract::keyvalue::request::{ScanRequest, ScanResponse};

use super::FlawedStore;
use crate::core::Failure;
use crate::keyvalue::Store;
use crate::keyvalue::mutants::Bug;
use crate::keyvalue::mutants::flawed::Disk;

/// An open Scan and its progress.
pub(super) struct OpenScan {
    gateway: FlawedStore,
    request: ScanRequest,
    cursor: ScanCursor,
    entries: u64,
}

impl FlawedStore {
    /// Starts a Scan.
    pub(super) async fn open_scan(&self, request: ScanRequest) -> Result<OpenScan, Failure> {
        let exact = self.flaw.lenient_scan(self.exact_scan(request.clone()))?;
        let cursor = self.edge.scan(exact).map_err(|error| self.failure(error))?;
        let resumed = !request.resume_token.is_empty();
        let mut scan = OpenScan { gateway: self.clone(), request, cursor, entries: 0 };
        if self.has(Bug::ScanLosesAMessageOnResume) && resumed {
            scan.next().await?;
        }
        Ok(scan)
    }

    /// The messages of a Scan, each read on demand.
    pub(super) async fn messages(
        &self,
        request: ScanRequest,
    ) -> Result<BoxStream<'static, Result<ScanResponse, Failure>>, Failure> {
        if self.has(Bug::ReadsAScanBeforehand) {
            let read = self.scan(request, None).await?;
            let prefetched = Prefetched::new(Arc::clone(&self.disk), read);
            let next = |mut prefetched: Prefetched| async move { Some((Ok(prefetched.take()?), prefetched)) };
            return Ok(stream::unfold(prefetched, next).boxed());
        }
        let scan = self.open_scan(request).await?;
        let next = |mut scan: OpenScan| async move { Ok(scan.next().await?.map(|message| (message, scan))) };
        Ok(stream::try_unfold(scan, next).boxed())
    }
}

/// Messages read before their demand; the disk counts their bytes.
struct Prefetched {
    disk: Arc<Disk>,
    messages: VecDeque<ScanResponse>,
}

impl Prefetched {
    fn new(disk: Arc<Disk>, messages: Vec<ScanResponse>) -> Self {
        disk.add_prefetched(messages.iter().map(bytes).sum());
        Self { disk, messages: messages.into() }
    }

    fn take(&mut self) -> Option<ScanResponse> {
        let message = self.messages.pop_front()?;
        self.disk.release_prefetched(bytes(&message));
        Some(message)
    }
}

impl Drop for Prefetched {
    fn drop(&mut self) {
        self.disk.release_prefetched(self.messages.iter().map(bytes).sum());
    }
}

/// Size of a message's values in bytes.
fn bytes(message: &ScanResponse) -> u64 {
    message.entries.iter().map(|entry| entry.item.value.len() as u64).sum()
}

impl OpenScan {
    /// The next message; `None` after the last (SCAN-1, SCAN-2).
    pub(super) async fn next(&mut self) -> Result<Option<ScanResponse>, Failure> {
        let gateway = &self.gateway;
        let read = self.cursor.next(gateway.now()).await.map_err(|error| gateway.failure(error))?;
        let Some(message) = read else { return Ok(None) };
        let mut message = gateway.loose_message(&self.request, message);
        self.entries += message.entries.len() as u64;
        if gateway.has(Bug::LastScanMessageIsMissing) && message.entries.is_empty() {
            return Ok(None);
        }
        if gateway.has(Bug::ScanWithoutARestEndsUnsaid) && message.entries.is_empty() && self.entries > 0 {
            return Ok(None);
        }
        if gateway.has(Bug::ScanGivesNoTokens) {
            message.resume_token.clear();
        }
        if gateway.has(Bug::ScanLimitEndsWithoutAToken) && self.entries == self.request.limit {
            message.resume_token.clear();
        }
        Ok(Some(message))
    }
}
