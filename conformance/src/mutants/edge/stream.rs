//! A Scan under way at a flawed edge: read message by message, as its reader asks (SCAN-3).

use futures::stream::{self, BoxStream, StreamExt};
use prism_contract::keyvalue::ScanCursor;
use prism_contract::keyvalue::request::{ScanRequest, ScanResponse};

use super::FlawedStore;
use crate::mutants::Bug;
use crate::mutants::flawed::Flawed;
use crate::{Failure, Store};

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
            return Ok(stream::iter(self.scan(asked, None).await?.into_iter().map(Ok)).boxed());
        }
        let reading = self.reading(asked).await?;
        let next =
            |mut reading: Reading| async move { Ok(reading.next().await?.map(|message| (message, reading))) };
        Ok(stream::try_unfold(reading, next).boxed())
    }
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
