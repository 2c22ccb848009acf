//! Page tokens issued by the store: the request that each belongs to, and its position (PAGE-4).

use std::collections::HashMap;

use bytes::Bytes;
use prism_contract::keyvalue::request::{GetRequest, KeyPredicate, ScanRequest};

use crate::keyvalue::{Action, Outcome, Request, Response};

/// The last entry of a page: its id and key.
pub(super) type Position = (String, Bytes);

/// The request properties that a token is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    scan: bool,
    namespace: String,
    id: String,
    predicate: KeyPredicate,
    reverse: bool,
}

/// Normal form: an absent predicate means match_all (DEL-4), and match_keys is a set of keys (PRED-4).
fn normalized(predicate: Option<&KeyPredicate>) -> KeyPredicate {
    match predicate {
        None => KeyPredicate::MatchAll,
        Some(KeyPredicate::MatchKeys(keys)) => {
            let mut keys = keys.clone();
            keys.sort();
            keys.dedup();
            KeyPredicate::MatchKeys(keys)
        }
        Some(other) => other.clone(),
    }
}

impl Scope {
    pub(super) fn of_get(get: &GetRequest) -> Self {
        Self {
            scan: false,
            namespace: get.namespace.clone(),
            id: get.id.clone(),
            predicate: normalized(get.predicate.as_ref()),
            reverse: get.selection.reverse,
        }
    }

    pub(super) fn of_scan(scan: &ScanRequest) -> Self {
        Self {
            scan: true,
            namespace: scan.namespace.clone(),
            id: scan.id.clone(),
            predicate: normalized(scan.predicate.as_ref()),
            reverse: scan.selection.reverse,
        }
    }
}

/// The tokens that the store has issued.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens(HashMap<Bytes, Vec<(Scope, Position)>>);

/// A token that was not issued for the request it came with.
#[derive(Debug)]
pub(super) struct ForeignToken;

impl Tokens {
    /// Position of `token`; `None`: the beginning.
    pub(super) fn position(&self, scope: &Scope, token: &Bytes) -> Result<Option<&Position>, ForeignToken> {
        if token.is_empty() {
            return Ok(None);
        }
        let issued = self.0.get(token).into_iter().flatten().rev();
        let matching = issued.into_iter().find(|(of, _)| of == scope);
        matching.map(|(_, position)| Some(position)).ok_or(ForeignToken)
    }

    /// Records the tokens of an answer.
    pub(super) fn learn(&mut self, action: &Action, outcome: &Outcome) {
        let (Action::Call(request), Outcome::Answered(response)) = (action, outcome) else { return };
        match (request, response) {
            (Request::Get(get), Response::Get(answer)) => {
                if let Some(last) = answer.items.last() {
                    let position = (get.id.clone(), last.key.clone().into_bytes());
                    self.record(&answer.next_page_token, Scope::of_get(get), position);
                }
            }
            (Request::Scan(scan, _), Response::Scan(messages)) => {
                for message in messages {
                    if let Some(last) = message.entries.last() {
                        let position = (last.id.as_str().to_owned(), last.item.key.clone().into_bytes());
                        self.record(&message.resume_token, Scope::of_scan(scan), position);
                    }
                }
            }
            // No other answer carries a token.
            _ => {}
        }
    }

    fn record(&mut self, token: &Bytes, scope: Scope, position: Position) {
        if !token.is_empty() {
            self.0.entry(token.clone()).or_default().push((scope, position));
        }
    }
}
