//! Short constructors for requests about one record, and accessors for their outcomes.

use prism_contract::keyvalue::Item;
use prism_contract::keyvalue::request::{
    DeleteRequest, GetRequest, KeyPredicate, PreconditionInput, PutRequest, ScanRequest,
};

use super::problem::selects;
use crate::core::StatusCode;
use crate::keyvalue::{Outcome, Request, Response, item};

/// The record that the clients contend on.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) namespace: String,
    pub(crate) id: String,
}

impl Record {
    pub(crate) fn put(&self, keys: &[&str], value: &str) -> PutRequest {
        PutRequest {
            namespace: self.namespace.clone(),
            id: self.id.clone(),
            items: keys.iter().map(|key| item(key, value)).collect(),
            ..PutRequest::default()
        }
    }

    pub(crate) fn put_if(&self, keys: &[&str], value: &str, conditions: &[(&str, i64)]) -> PutRequest {
        PutRequest { preconditions: preconditions(conditions), ..self.put(keys, value) }
    }

    pub(crate) fn delete(&self, predicate: KeyPredicate) -> DeleteRequest {
        DeleteRequest {
            namespace: self.namespace.clone(),
            id: self.id.clone(),
            predicate: Some(predicate),
            ..DeleteRequest::default()
        }
    }

    pub(crate) fn get(&self, predicate: KeyPredicate) -> GetRequest {
        GetRequest {
            namespace: self.namespace.clone(),
            id: self.id.clone(),
            predicate: Some(predicate),
            ..GetRequest::default()
        }
    }

    pub(crate) fn scan(&self, predicate: KeyPredicate) -> ScanRequest {
        ScanRequest {
            namespace: self.namespace.clone(),
            id: self.id.clone(),
            predicate: Some(predicate),
            ..ScanRequest::default()
        }
    }

    /// Read of the whole record, by Get or by Scan.
    pub(crate) fn read(&self, by_scan: bool) -> Request {
        if by_scan {
            Request::Scan(self.scan(KeyPredicate::MatchAll), None)
        } else {
            Request::Get(self.get(KeyPredicate::MatchAll))
        }
    }
}

pub(crate) fn preconditions(conditions: &[(&str, i64)]) -> Vec<PreconditionInput> {
    conditions
        .iter()
        .map(|(key, version)| PreconditionInput { key: item(key, "").key, version: *version })
        .collect()
}

pub(crate) fn keys(keys: &[&str]) -> KeyPredicate {
    KeyPredicate::MatchKeys(keys.iter().map(|key| item(key, "").key).collect())
}

pub(crate) fn range(start: &str, end: &str) -> KeyPredicate {
    KeyPredicate::MatchRange { start: item(start, "").key, end: item(end, "").key }
}

impl Request {
    /// Number of `keys` that the request reads or deletes; 0 for a Put or a Describe.
    pub(crate) fn count_selected(&self, keys: &[&str]) -> usize {
        let predicate = match self {
            Self::Get(get) => get.predicate.as_ref(),
            Self::Scan(scan, _) => scan.predicate.as_ref(),
            Self::Delete(delete) => delete.predicate.as_ref(),
            Self::Put(_) | Self::Describe(_) => return 0,
        };
        keys.iter().filter(|key| selects(predicate, key.as_bytes())).count()
    }
}

impl Outcome {
    /// Items of a successful Get or Scan.
    pub(crate) fn items(&self) -> Option<Vec<&Item>> {
        match self {
            Self::Answered(Response::Get(answer)) => Some(answer.items.iter().collect()),
            Self::Answered(Response::Scan(messages)) => {
                let entries = messages.iter().flat_map(|message| &message.entries);
                Some(entries.map(|entry| &entry.item).collect())
            }
            Self::Answered(Response::Put(_) | Response::Delete(_) | Response::Describe(_))
            | Self::Failed(_)
            | Self::Done => None,
        }
    }

    /// Versions of a Put's applied items.
    pub(crate) fn versions(&self) -> Vec<i64> {
        match self {
            Self::Answered(Response::Put(answer)) => {
                answer.results.iter().filter(|result| result.applied).map(|result| result.version).collect()
            }
            Self::Answered(_) | Self::Failed(_) | Self::Done => Vec::new(),
        }
    }

    /// Whether the call failed with this status.
    pub(crate) fn is(&self, code: StatusCode) -> bool {
        matches!(self, Self::Failed(failure) if failure.code == code)
    }

    /// Whether it leaves open if the write took effect.
    pub(crate) fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.is_ambiguous())
    }
}
