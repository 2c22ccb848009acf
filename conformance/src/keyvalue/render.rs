//! Transcripts as text, for readers and golden files.
//!
//! Values that differ from run to run become placeholders that keep their order: a version is `v1`, `v2`… by rank among
//! the versions of its key, a time is `t1`, `t2`… by rank among the times of the transcript.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::keyvalue::request::{
    DeleteRequest, DescribeRequest, GetRequest, ItemInput, KeyPredicate, PreconditionInput, PutRequest,
    ScanRequest, SelectionInput,
};
use prism_contract::keyvalue::{Entry, Item, PutResult};

use super::clauses;
use super::{Action, Outcome, Request, Response, Step, Transcript};
use crate::core::{Failure, Show, bytes};

type RecordKey = (String, String, Bytes);

/// The lines of each step; `None` for a step that is not a request.
pub(super) fn lines(transcript: &Transcript) -> Vec<Option<(String, Vec<String>)>> {
    let placeholders = Placeholders::of(transcript);
    transcript.steps.iter().map(|step| placeholders.step(step)).collect()
}

/// The records that a step is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    namespace: Option<&'a str>,
    id: Option<&'a str>,
}

impl<'a> Scope<'a> {
    /// The record or the namespace of a request; all records without one.
    pub(crate) fn of(step: Option<&'a Step>) -> Self {
        let (namespace, id) = match step.map(|step| &step.action) {
            Some(Action::Call(Request::Put(put))) => (Some(&put.namespace), Some(&put.id)),
            Some(Action::Call(Request::Get(get))) => (Some(&get.namespace), Some(&get.id)),
            Some(Action::Call(Request::Delete(delete))) => (Some(&delete.namespace), Some(&delete.id)),
            Some(Action::Call(Request::Scan(scan, _))) => {
                (Some(&scan.namespace), Some(&scan.id).filter(|id| !id.is_empty()))
            }
            _ => (None, None),
        };
        Self { namespace: namespace.map(String::as_str), id: id.map(String::as_str) }
    }

    fn contains(self, namespace: &str, id: &str) -> bool {
        self.namespace.is_none_or(|of| of == namespace) && self.id.is_none_or(|of| of == id)
    }
}

/// The placeholders of one transcript.
pub(crate) struct Placeholders<'a> {
    namespaces: &'a BTreeMap<String, String>,
    versions: BTreeMap<RecordKey, BTreeSet<i64>>,
    times: BTreeSet<Timestamp>,
}

impl<'a> Placeholders<'a> {
    pub(crate) fn of(transcript: &'a Transcript) -> Self {
        let mut placeholders =
            Self { namespaces: &transcript.namespaces, versions: BTreeMap::new(), times: BTreeSet::new() };
        for step in &transcript.steps {
            placeholders.collect(step);
        }
        placeholders
    }

    fn collect(&mut self, step: &Step) {
        let Action::Call(request) = &step.action else { return };
        match (request, &step.outcome) {
            (Request::Put(request), Outcome::Answered(Response::Put(answer))) => {
                for (item, result) in request.items.iter().zip(&answer.results) {
                    self.collect_version(&request.namespace, &request.id, &item.key, result.version);
                }
            }
            (Request::Get(request), Outcome::Answered(Response::Get(answer))) => {
                answer.items.iter().for_each(|item| self.collect_item(&request.namespace, &request.id, item));
            }
            (Request::Scan(request, _), Outcome::Answered(Response::Scan(messages))) => {
                for Entry { id, item } in messages.iter().flat_map(|message| &message.entries) {
                    self.collect_item(&request.namespace, id.as_str(), item);
                }
            }
            (
                Request::Put(PutRequest { namespace, id, .. })
                | Request::Delete(DeleteRequest { namespace, id, .. }),
                Outcome::Failed(failure),
            ) => {
                for failed in &failure.failed_preconditions {
                    self.collect_version(namespace, id, &failed.key, failed.current_version);
                }
            }
            _ => {}
        }
    }

    fn collect_item(&mut self, namespace: &str, id: &str, item: &Item) {
        self.collect_version(namespace, id, item.key.as_bytes(), item.version);
        self.times.extend([item.created_at, item.updated_at]);
        self.times.extend(item.expires_at);
    }

    fn collect_version(&mut self, namespace: &str, id: &str, key: &[u8], version: i64) {
        if version != 0 {
            let key = (namespace.to_owned(), id.to_owned(), Bytes::copy_from_slice(key));
            self.versions.entry(key).or_default().insert(version);
        }
    }

    pub(crate) fn version(&self, namespace: &str, id: &str, key: &[u8], version: i64) -> String {
        if version == 0 {
            return "absent".to_owned();
        }
        let key = (namespace.to_owned(), id.to_owned(), Bytes::copy_from_slice(key));
        let rank = self.versions.get(&key).and_then(|seen| seen.iter().position(|&seen| seen == version));
        rank.map_or_else(|| format!("version {version}"), |rank| format!("v{}", rank + 1))
    }

    /// The keys in a scope for which a version has a name, and its number in that name.
    pub(crate) fn names(&self, scope: Scope<'_>, version: i64) -> Vec<(&[u8], usize)> {
        let in_scope = self.versions.iter().filter(|((namespace, id, _), _)| scope.contains(namespace, id));
        let rank = |versions: &BTreeSet<i64>| versions.iter().position(|&seen| seen == version);
        in_scope.filter_map(|((.., key), seen)| rank(seen).map(|rank| (&key[..], rank + 1))).collect()
    }

    fn time(&self, time: Timestamp) -> String {
        let rank = self.times.iter().position(|&seen| seen == time).map_or(0, |rank| rank + 1);
        format!("t{rank}")
    }

    fn namespace(&self, namespace: &str) -> String {
        self.namespaces.get(namespace).cloned().unwrap_or_else(|| bytes(namespace.as_bytes()))
    }

    fn record(&self, namespace: &str, id: &str) -> String {
        format!("{} {}", self.namespace(namespace), bytes(id.as_bytes()))
    }

    pub(crate) fn request(&self, request: &Request) -> String {
        match request {
            Request::Put(put) => self.put(put),
            Request::Get(get) => self.get(get),
            Request::Delete(delete) => self.delete(delete),
            Request::Scan(scan, messages) => self.scan(scan, *messages),
            Request::Describe(DescribeRequest { namespace }) => {
                format!("describe {}", self.namespace(namespace))
            }
        }
    }

    fn put(&self, put: &PutRequest) -> String {
        let mut text = format!("put {}", self.record(&put.namespace, &put.id));
        for item in &put.items {
            let _ = write!(text, " {}", input(item));
        }
        push_token(&mut text, put.item_priority_token);
        if let Some(ttl) = put.ttl {
            let _ = write!(text, " ttl {}", ttl.show());
        }
        self.push_preconditions(&mut text, &put.namespace, &put.id, &put.preconditions);
        text
    }

    fn get(&self, get: &GetRequest) -> String {
        let mut text = format!("get {}", self.record(&get.namespace, &get.id));
        push_predicate(&mut text, get.predicate.as_ref());
        push_selection(&mut text, get.selection);
        push_page(&mut text, &get.page_token);
        text
    }

    fn delete(&self, delete: &DeleteRequest) -> String {
        let mut text = format!("delete {}", self.record(&delete.namespace, &delete.id));
        push_predicate(&mut text, delete.predicate.as_ref());
        push_token(&mut text, delete.item_priority_token);
        self.push_preconditions(&mut text, &delete.namespace, &delete.id, &delete.preconditions);
        text
    }

    fn scan(&self, scan: &ScanRequest, messages: Option<usize>) -> String {
        let mut text = format!("scan {}", self.namespace(&scan.namespace));
        if !scan.id.is_empty() {
            let _ = write!(text, " {}", bytes(scan.id.as_bytes()));
        }
        push_predicate(&mut text, scan.predicate.as_ref());
        push_selection(&mut text, scan.selection);
        if scan.limit > 0 {
            let _ = write!(text, " limit {}", scan.limit);
        }
        push_page(&mut text, &scan.resume_token);
        if let Some(messages) = messages {
            let _ = write!(text, " cut after {messages} messages");
        }
        text
    }

    fn push_preconditions(
        &self,
        text: &mut String,
        namespace: &str,
        id: &str,
        preconditions: &[PreconditionInput],
    ) {
        for PreconditionInput { key, version } in preconditions {
            let version = self.version(namespace, id, key, *version);
            let _ = write!(text, " if {} {version}", bytes(key));
        }
    }

    /// The lines of a step; `None` if it is not a request.
    fn step(&self, step: &Step) -> Option<(String, Vec<String>)> {
        let Action::Call(request) = &step.action else { return None };
        Some((self.request(request), self.outcome(request, &step.outcome)))
    }

    pub(crate) fn outcome(&self, request: &Request, outcome: &Outcome) -> Vec<String> {
        let response = match outcome {
            Outcome::Answered(response) => response,
            Outcome::Failed(failure) => return self.failure(request, failure),
            Outcome::Done => return Vec::new(),
        };
        match (response, request) {
            (Response::Put(answer), Request::Put(request)) => {
                let results = request.items.iter().zip(&answer.results);
                results.map(|(item, result)| self.result(request, &item.key, *result)).collect()
            }
            (Response::Get(answer), Request::Get(request)) => {
                let items = answer.items.iter().map(|item| self.item(&request.namespace, &request.id, item));
                let more = (!answer.next_page_token.is_empty()).then(|| "more".to_owned());
                or_nothing(items.chain(more).collect())
            }
            (Response::Delete(answer), _) => vec![format!("deleted {}", answer.deleted_count)],
            (Response::Scan(messages), Request::Scan(request, _)) => {
                messages.iter().flat_map(|message| self.message(&request.namespace, message)).collect()
            }
            (Response::Describe(answer), _) => vec![format!("capabilities {}", answer.capabilities.show())],
            (Response::Put(_) | Response::Get(_) | Response::Scan(_), _) => {
                vec!["a response to another request".to_owned()]
            }
        }
    }

    fn result(&self, request: &PutRequest, key: &[u8], result: PutResult) -> String {
        let version = self.version(&request.namespace, &request.id, key, result.version);
        let applied = if result.applied { "applied" } else { "superseded" };
        format!("{} {applied} {version}", bytes(key))
    }

    fn message(
        &self,
        namespace: &str,
        message: &prism_contract::keyvalue::request::ScanResponse,
    ) -> Vec<String> {
        let entries = message.entries.iter().map(|entry| {
            format!(
                "{} {}",
                bytes(entry.id.as_str().as_bytes()),
                self.item(namespace, entry.id.as_str(), &entry.item)
            )
        });
        let end = if message.resume_token.is_empty() { "end" } else { "more" };
        entries.chain([end.to_owned()]).collect()
    }

    fn item(&self, namespace: &str, id: &str, item: &Item) -> String {
        let version = self.version(namespace, id, &item.key, item.version);
        let mut text = format!("{}={} {version}", bytes(&item.key), bytes(&item.value));
        push_metadata(&mut text, &item.content_type, item.compression);
        push_token(&mut text, item.priority_token);
        let _ =
            write!(text, " created {} updated {}", self.time(item.created_at), self.time(item.updated_at));
        if let Some(at) = item.expires_at {
            let _ = write!(text, " expires {}", self.time(at));
        }
        text
    }

    fn failure(&self, request: &Request, failure: &Failure) -> Vec<String> {
        let mut lines = vec![failure.code.to_string()];
        lines.extend(failure.cause_lines());
        if let Request::Put(PutRequest { namespace, id, .. })
        | Request::Delete(DeleteRequest { namespace, id, .. }) = request
        {
            lines.extend(failure.failed_preconditions.iter().map(|failed| {
                let version = self.version(namespace, id, &failed.key, failed.current_version);
                format!("{} is {version}", bytes(&failed.key))
            }));
        }
        lines
    }
}

fn or_nothing(lines: Vec<String>) -> Vec<String> {
    if lines.is_empty() { vec!["nothing".to_owned()] } else { lines }
}

fn input(item: &ItemInput) -> String {
    let mut text = format!("{}={}", bytes(&item.key), bytes(&item.value));
    push_metadata(&mut text, &item.content_type, item.compression);
    text
}

fn push_token(text: &mut String, token: i64) {
    let _ = clauses::token(text, token);
}

fn push_metadata(text: &mut String, content_type: &str, compression: i32) {
    let _ = clauses::metadata(text, bytes, content_type, compression);
}

fn push_page(text: &mut String, token: &[u8]) {
    if !token.is_empty() {
        text.push_str(" from a token");
    }
}

fn push_predicate(text: &mut String, predicate: Option<&KeyPredicate>) {
    let _ = clauses::predicate(text, bytes, predicate, ["predicate unset", " nothing"]);
}

fn push_selection(text: &mut String, selection: SelectionInput) {
    let _ = clauses::selection(text, selection, |bytes| format!(" page of {bytes} bytes"));
}
