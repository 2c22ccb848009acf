//! Short constructors for operations and answers of histories.

#![allow(dead_code, reason = "each test file uses some of it")]

use bytes::Bytes;
use prism_conformance::keyvalue::history::Operation;
use prism_conformance::keyvalue::{Outcome, Request, Response, items};
use prism_conformance::{Failure, StatusCode};
use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, GetRequest, GetResponse, KeyPredicate, PreconditionInput, PutRequest,
    PutResponse,
};
use prism_contract::keyvalue::{Item, Key, PutResult};
use prism_contract::{PreconditionFailure, Timestamp};

pub(crate) fn put<const N: usize>(pairs: [(&str, &str); N]) -> PutRequest {
    PutRequest { namespace: "n".to_owned(), id: "r".to_owned(), items: items(pairs), ..PutRequest::default() }
}

pub(crate) fn get(predicate: KeyPredicate) -> Request {
    let (namespace, id) = ("n".to_owned(), "r".to_owned());
    Request::Get(GetRequest { namespace, id, predicate: Some(predicate), ..GetRequest::default() })
}

pub(crate) fn delete(predicate: KeyPredicate) -> DeleteRequest {
    let (namespace, id) = ("n".to_owned(), "r".to_owned());
    DeleteRequest { namespace, id, predicate: Some(predicate), ..DeleteRequest::default() }
}

pub(crate) fn conditions(of: &[(&str, i64)]) -> Vec<PreconditionInput> {
    let inputs = of.iter().map(|(key, version)| PreconditionInput {
        key: Bytes::copy_from_slice(key.as_bytes()),
        version: *version,
    });
    inputs.collect()
}

pub(crate) fn written<const N: usize>(versions: [i64; N]) -> Outcome {
    let results = versions.map(|version| PutResult { applied: true, version }).to_vec();
    Outcome::Answered(Response::Put(PutResponse { results }))
}

pub(crate) fn read<const N: usize>(items: [(&str, &str, i64); N]) -> Outcome {
    let items = items.map(|(key, value, version)| Item {
        key: Key::new(key.as_bytes().to_vec()).unwrap(),
        value: Bytes::copy_from_slice(value.as_bytes()),
        content_type: String::new(),
        compression: 0,
        version,
        priority_token: 0,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        expires_at: None,
    });
    Outcome::Answered(Response::Get(GetResponse { items: items.to_vec(), next_page_token: Bytes::new() }))
}

pub(crate) fn deleted(deleted_count: u64) -> Outcome {
    Outcome::Answered(Response::Delete(DeleteResponse { deleted_count }))
}

pub(crate) fn refused(failed: &[(&str, i64)]) -> Outcome {
    let mut failure = Failure::new(StatusCode::FailedPrecondition, "");
    failure.failed_preconditions = failed
        .iter()
        .map(|(key, version)| PreconditionFailure {
            key: key.as_bytes().to_vec().into(),
            current_version: *version,
        })
        .collect();
    Outcome::Failed(failure)
}

pub(crate) fn done(client: usize, times: (u64, u64), request: Request, outcome: Outcome) -> Operation {
    Operation { client, request, called: times.0, returned: Some(times.1), outcome: Some(outcome) }
}

pub(crate) fn lost(client: usize, called: u64, request: Request) -> Operation {
    Operation { client, request, called, returned: None, outcome: None }
}
