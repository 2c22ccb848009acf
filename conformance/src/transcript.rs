//! What was asked and what was answered, kept as it was said, and where the two parted from the contract.

use std::collections::BTreeMap;
use std::time::Duration;

use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, PutRequest,
    PutResponse, ScanRequest, ScanResponse,
};

use crate::{Failure, Restart};

/// Something done to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Items were written.
    Put(PutRequest),
    /// A page was read.
    Get(GetRequest),
    /// Items were removed.
    Delete(DeleteRequest),
    /// A stream was read, to its end or for so many messages.
    Scan(ScanRequest, Option<usize>),
    /// The store was asked what it offers.
    Describe(DescribeRequest),
    /// Time passed.
    Advance(Duration),
    /// What was dead was dropped.
    Sweep,
    /// The store was stopped and started.
    Restart(Restart),
    /// The database was taken away (`true`) or brought back.
    Outage(bool),
    /// A call below the five operations, in words.
    Raw(String),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A Put was answered.
    Put(PutResponse),
    /// A Get was answered.
    Get(GetResponse),
    /// A Delete was answered.
    Delete(DeleteResponse),
    /// A Scan was answered, message by message.
    Scan(Vec<ScanResponse>),
    /// A Describe was answered.
    Describe(DescribeResponse),
    /// The answer was a status.
    Failed(Failure),
    /// It was done; there is nothing to answer.
    Done,
}

/// One exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was done.
    pub request: Request,
    /// What came of it.
    pub outcome: Outcome,
}

/// Where a store parted from the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The step, counted from 0; `None`: it lies in no single step.
    pub step: Option<usize>,
    /// What the contract asks for.
    pub expected: String,
    /// What the store did.
    pub actual: String,
}

/// The steps of one case, in the order in which they were answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The steps.
    pub steps: Vec<Step>,
    /// How the namespaces that were used are shown: `$ns` in place of a name made for one run.
    pub namespaces: BTreeMap<String, String>,
    /// What a random case has to say about itself: its seeds, and how often what happened.
    pub notes: Vec<String>,
}
