//! Conversion of symbolic operations to requests, from what one run has seen.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use prism_contract::keyvalue::request::{
    DeleteRequest, DescribeRequest, GetRequest, KeyPredicate, PreconditionInput, PutRequest, ScanRequest, Ttl,
};

use super::{At, Delete, Get, Op, Page, Put, Scan, Space, Span};
use crate::keyvalue::{Action, Ctx, Outcome, Request, Response};

/// A version that no store assigns.
const NEVER_GIVEN: i64 = i64::MAX - 1;

/// The token of [`Page::Broken`].
const NO_TOKEN: &[u8] = b"not a token";

/// Tombstone retention (TOK-4).
const RETENTION: Duration = Duration::from_hours(24);

const MICROSECOND: Duration = Duration::from_micros(1);

/// Turns operations into requests, and remembers the versions and page tokens of the answers.
pub struct Player<'c> {
    ctx: &'c Ctx,
    versions: BTreeMap<(String, String, Bytes), Vec<i64>>,
    tokens: Vec<(Scope, Bytes)>,
}

/// The request properties that a page token is bound to (PAGE-4).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    scan: bool,
    namespace: String,
    id: String,
    predicate: Option<KeyPredicate>,
    reverse: bool,
}

impl Scope {
    fn get(get: &GetRequest) -> Self {
        Self {
            scan: false,
            namespace: get.namespace.clone(),
            id: get.id.clone(),
            predicate: get.predicate.clone(),
            reverse: get.selection.reverse,
        }
    }

    fn scan(scan: &ScanRequest) -> Self {
        Self {
            scan: true,
            namespace: scan.namespace.clone(),
            id: scan.id.clone(),
            predicate: scan.predicate.clone(),
            reverse: scan.selection.reverse,
        }
    }

    /// Whether the contract, however it is read, refuses a token of `other` here. Equivalent predicates of different form
    /// are left open.
    fn is_foreign_to(&self, other: &Self) -> bool {
        let named = |scope: &Self| matches!(scope.predicate, Some(KeyPredicate::MatchKeys(_)));
        self.scan != other.scan
            || self.namespace != other.namespace
            || self.id != other.id
            || self.reverse != other.reverse
            || named(self) != named(other)
    }
}

impl<'c> Player<'c> {
    /// A player at the start of a run.
    pub fn new(ctx: &'c Ctx) -> Self {
        Self { ctx, versions: BTreeMap::new(), tokens: Vec::new() }
    }

    /// The action of `op` at this point of the run.
    pub fn action(&self, op: &Op) -> Action {
        Action::Call(match op {
            Op::Put(put) => Request::Put(self.put(put)),
            Op::Get(get) => Request::Get(self.get(get)),
            Op::Delete(delete) => Request::Delete(self.delete(delete)),
            Op::Scan(scan) => Request::Scan(self.scan(scan), scan.cut),
            Op::Describe(space) => Request::Describe(DescribeRequest { namespace: self.namespace(space) }),
            Op::Advance(span) => return Action::Advance(self.span(*span)),
            Op::Sweep => return Action::Sweep,
            Op::Restart(how) => return Action::Restart(*how),
        })
    }

    fn namespace(&self, space: &Space) -> String {
        self.ctx.namespace(&space.0)
    }

    fn put(&self, put: &Put) -> PutRequest {
        let namespace = self.namespace(&put.space);
        PutRequest {
            id: put.id.clone(),
            items: put.items.clone(),
            item_priority_token: put.token,
            ttl: put.ttl.map(|ticks| self.ttl(ticks)),
            preconditions: self.preconditions(&namespace, &put.id, &put.when),
            namespace,
        }
    }

    fn get(&self, get: &Get) -> GetRequest {
        let mut request = GetRequest {
            namespace: self.namespace(&get.space),
            id: get.id.clone(),
            predicate: get.predicate.clone(),
            selection: get.selection,
            page_token: Bytes::new(),
        };
        request.page_token = self.token(get.page, &Scope::get(&request));
        request
    }

    fn delete(&self, delete: &Delete) -> DeleteRequest {
        let namespace = self.namespace(&delete.space);
        DeleteRequest {
            id: delete.id.clone(),
            predicate: delete.predicate.clone(),
            item_priority_token: delete.token,
            preconditions: self.preconditions(&namespace, &delete.id, &delete.when),
            namespace,
        }
    }

    fn scan(&self, scan: &Scan) -> ScanRequest {
        let mut request = ScanRequest {
            namespace: self.namespace(&scan.space),
            id: scan.id.clone().unwrap_or_default(),
            predicate: scan.predicate.clone(),
            selection: scan.selection,
            resume_token: Bytes::new(),
            limit: scan.limit,
        };
        request.resume_token = self.token(scan.page, &Scope::scan(&request));
        request
    }

    fn ttl(&self, ticks: i64) -> Ttl {
        let nanos = i128::try_from(self.ctx.tick().as_nanos()).unwrap_or(i128::MAX) * i128::from(ticks);
        let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Ttl { seconds, nanos: i32::try_from(nanos).unwrap_or(0) }
    }

    fn span(&self, span: Span) -> Duration {
        let tick = self.ctx.tick();
        match span {
            Span::Ticks(ticks) => tick.saturating_mul(ticks),
            Span::Almost(ticks) => tick.saturating_mul(ticks).saturating_sub(MICROSECOND),
            Span::Microsecond => MICROSECOND,
            Span::Retention => RETENTION,
            Span::AlmostRetention => RETENTION.saturating_sub(MICROSECOND),
        }
    }

    fn preconditions(&self, namespace: &str, id: &str, when: &[(Bytes, At)]) -> Vec<PreconditionInput> {
        let inputs = when.iter().map(|(key, at)| {
            let seen = self.versions.get(&(namespace.to_owned(), id.to_owned(), key.clone()));
            let seen = seen.map_or(&[][..], Vec::as_slice);
            let version = match at {
                At::Current => seen.last().copied().unwrap_or(0),
                At::Stale => seen.iter().rev().nth(1).copied().unwrap_or(NEVER_GIVEN),
                At::Absent => 0,
                At::Number(number) => *number,
            };
            PreconditionInput { key: key.clone(), version }
        });
        inputs.collect()
    }

    fn token(&self, page: Page, scope: &Scope) -> Bytes {
        let mut newest_first = self.tokens.iter().rev();
        let found = match page {
            Page::First => return Bytes::new(),
            Page::Next => {
                let next = newest_first.find(|(of, _)| of == scope);
                return next.map(|(_, token)| token.clone()).unwrap_or_default();
            }
            Page::Foreign => newest_first.find(|(of, _)| scope.is_foreign_to(of)),
            Page::Broken => None,
        };
        found.map_or(Bytes::from_static(NO_TOKEN), |(_, token)| token.clone())
    }

    /// Remembers the versions and page tokens of an answer.
    pub fn saw(&mut self, action: &Action, outcome: &Outcome) {
        let (Action::Call(request), Outcome::Answered(response)) = (action, outcome) else { return };
        match (request, response) {
            (Request::Put(put), Response::Put(answer)) => {
                for (item, result) in put.items.iter().zip(&answer.results) {
                    self.saw_version(&put.namespace, &put.id, &item.key, result.version);
                }
            }
            (Request::Get(get), Response::Get(answer)) => {
                for item in &answer.items {
                    self.saw_version(&get.namespace, &get.id, item.key.as_bytes(), item.version);
                }
                self.saw_token(Scope::get(get), &answer.next_page_token);
            }
            (Request::Scan(scan, _), Response::Scan(messages)) => {
                for entry in messages.iter().flat_map(|message| &message.entries) {
                    let (id, key) = (entry.id.as_str(), entry.item.key.as_bytes());
                    self.saw_version(&scan.namespace, id, key, entry.item.version);
                }
                if let Some(last) = messages.last() {
                    self.saw_token(Scope::scan(scan), &last.resume_token);
                }
            }
            // No other answer has a version or a token.
            _ => {}
        }
    }

    fn saw_version(&mut self, namespace: &str, id: &str, key: &[u8], version: i64) {
        let item = (namespace.to_owned(), id.to_owned(), Bytes::copy_from_slice(key));
        let seen = self.versions.entry(item).or_default();
        if version != 0 && !seen.contains(&version) {
            seen.push(version);
        }
    }

    fn saw_token(&mut self, scope: Scope, token: &Bytes) {
        self.tokens.retain(|(of, _)| *of != scope);
        if !token.is_empty() {
            self.tokens.push((scope, token.clone()));
        }
    }
}
