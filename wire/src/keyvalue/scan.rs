//! The client's side of a scan, which can resume after an interruption (SCAN-1).

use prism_contract::keyvalue::request::{ScanRequest, ScanResponse};
use prism_proto::keyvalue::v1 as pb;
use tonic::Streaming;

use super::client::Client;
use crate::channel::CallError;
use crate::resume::{self, Progress, Resumable};

/// The messages of a scan. Ends after the last message, or with an error.
pub type Messages = resume::Messages<ScanResponse>;

/// A scan, with the request for the rest.
pub(super) struct Scan {
    pub(super) client: Client,
    pub(super) request: ScanRequest,
}

impl Resumable for Scan {
    type Message = ScanResponse;

    const UNFINISHED: (&'static str, &'static str) = ("resume_token", "was not empty where the stream ended");

    async fn open(&self) -> Result<Streaming<pb::ScanResponse>, CallError> {
        self.client.open_scan(self.request.clone()).await
    }

    fn advance(&mut self, message: &ScanResponse) -> Progress {
        self.request.resume_token = message.resume_token.clone();
        resume::advance(&mut self.request.limit, message.entries.len(), message.resume_token.is_empty())
    }
}
