//! Page token flaws: a flawed edge binds its tokens to fewer properties of the request than the contract, or to more.
//!
//! Clients get tokens sealed to the flawed edge's binding; the contract's edge gets tokens sealed to the contract's. Without
//! a flaw both are the same.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use prism_contract::Namespace;
use prism_contract::keyvalue::request::{GetRequest, GetResponse, KeyPredicate, ScanRequest, ScanResponse};
use prism_contract::keyvalue::{Direction, Key, Predicate, RecordId, TokenScope};

use super::FlawedStore;
use crate::keyvalue::mutants::{Bug, Flaw};

/// The request properties that a token is bound to.
#[derive(Clone)]
struct Binding {
    is_scan: bool,
    namespace: Namespace,
    id: Option<RecordId>,
    predicate: Predicate,
    direction: Direction,
    /// Whether the request has no predicate, which means match_all.
    is_absent: bool,
    /// The keys of match_keys, as the request has them.
    keys: Vec<Bytes>,
    /// Bytes that a token carries beyond the contract's.
    extra: Vec<u8>,
}

impl Binding {
    fn of_get(get: &GetRequest) -> Option<Self> {
        let id = Some(RecordId::new(&get.id).ok()?);
        Self::new(false, &get.namespace, id, get.predicate.as_ref(), get.selection.reverse)
    }

    fn of_scan(scan: &ScanRequest) -> Option<Self> {
        let id = if scan.id.is_empty() { None } else { Some(RecordId::new(&scan.id).ok()?) };
        Self::new(true, &scan.namespace, id, scan.predicate.as_ref(), scan.selection.reverse)
    }

    fn new(
        is_scan: bool,
        namespace: &str,
        id: Option<RecordId>,
        predicate: Option<&KeyPredicate>,
        reverse: bool,
    ) -> Option<Self> {
        let namespace = Namespace::new(namespace).ok()?;
        let is_absent = predicate.is_none();
        let keys = match predicate {
            Some(KeyPredicate::MatchKeys(keys)) => keys.clone(),
            _ => Vec::new(),
        };
        let predicate = predicate.map_or(Some(Predicate::All), valid)?;
        let direction = if reverse { Direction::Reverse } else { Direction::Forward };
        Some(Self { is_scan, namespace, id, predicate, direction, is_absent, keys, extra: Vec::new() })
    }

    /// The flawed edge's binding (PAGE-4, PAGE-6).
    fn loosened(mut self, flaw: Flaw, process: u8, item_limit: u32) -> Self {
        if flaw.has(Bug::AcceptsATokenOfAnotherMethod) {
            self.is_scan = true;
        }
        if flaw.has(Bug::AcceptsATokenOfAnotherNamespace) {
            self.namespace = Namespace::new("any").unwrap_or(self.namespace);
        }
        if flaw.has(Bug::AcceptsATokenOfAnotherId) {
            self.id = RecordId::new("any").ok();
        }
        if flaw.has(Bug::AcceptsATokenOfAnotherPredicate) {
            self.predicate = Predicate::All;
        }
        if flaw.has(Bug::AcceptsATokenOfAnotherWayToSayAll) && selects_all(&self.predicate) {
            self.predicate = Predicate::All;
        }
        if flaw.has(Bug::AcceptsATokenOfAnotherDirection) {
            self.direction = Direction::Forward;
        }
        if flaw.has(Bug::TokensDieWithTheProcess) {
            self.extra = vec![process];
        }
        if flaw.has(Bug::BindsTokensToTheItemLimit) {
            self.extra = item_limit.to_be_bytes().to_vec();
        }
        if flaw.has(Bug::TellsAnAbsentPredicateFromMatchAll) {
            self.extra = vec![u8::from(self.is_absent)];
        }
        if flaw.has(Bug::BindsTokensToTheOrderOfKeys) {
            let mut hasher = DefaultHasher::new();
            self.keys.hash(&mut hasher);
            self.extra = hasher.finish().to_be_bytes().to_vec();
        }
        self
    }

    fn scope(&self) -> TokenScope {
        match (&self.id, self.is_scan) {
            (Some(id), false) => TokenScope::get(&self.namespace, id, &self.predicate, self.direction),
            (id, _) => TokenScope::scan(&self.namespace, id.as_ref(), &self.predicate, self.direction),
        }
    }

    /// `token` of this binding, sealed to `other`; `None` if it is not of this binding.
    fn reseal(&self, token: &Bytes, other: &Self) -> Option<Bytes> {
        let token = token.strip_suffix(self.extra.as_slice())?;
        let position = self.scope().open(token).ok()??;
        let resealed = other.scope().seal(&position.id, &position.key);
        Some([resealed.as_ref(), &other.extra].concat().into())
    }
}

impl FlawedStore {
    /// The request, with the token that the contract's edge expects.
    pub(super) fn exact_get(&self, mut get: GetRequest) -> GetRequest {
        if let Some(exact) = Binding::of_get(&get) {
            get.page_token = self.exact(&exact, get.page_token, get.selection.item_limit);
        }
        get
    }

    /// The request, with the token that the contract's edge expects.
    pub(super) fn exact_scan(&self, mut scan: ScanRequest) -> ScanRequest {
        if let Some(exact) = Binding::of_scan(&scan) {
            scan.resume_token = self.exact(&exact, scan.resume_token, scan.selection.item_limit);
        }
        scan
    }

    /// The answer, with the token that this edge issues.
    pub(super) fn loose_answer(&self, get: &GetRequest, mut answer: GetResponse) -> GetResponse {
        if let Some(exact) = Binding::of_get(get) {
            answer.next_page_token = self.loose(&exact, answer.next_page_token, get.selection.item_limit);
        }
        answer
    }

    /// The message, with the token that this edge issues.
    pub(super) fn loose_message(&self, scan: &ScanRequest, mut message: ScanResponse) -> ScanResponse {
        if let Some(exact) = Binding::of_scan(scan) {
            message.resume_token = self.loose(&exact, message.resume_token, scan.selection.item_limit);
        }
        message
    }

    fn exact(&self, exact: &Binding, token: Bytes, item_limit: u32) -> Bytes {
        if token.is_empty() {
            return token;
        }
        let loose = exact.clone().loosened(self.flaw, self.process, item_limit);
        match loose.reseal(&token, exact) {
            Some(token) => token,
            None if self.has(Bug::AcceptsAGarbageToken) => Bytes::new(),
            // Not a token of this request: the contract's edge refuses it.
            None => Bytes::from_static(b"not a token"),
        }
    }

    fn loose(&self, exact: &Binding, token: Bytes, item_limit: u32) -> Bytes {
        let loose = exact.clone().loosened(self.flaw, self.process, item_limit);
        exact.reseal(&token, &loose).unwrap_or(token)
    }
}

/// Whether the predicate selects every key, in one of three ways.
fn selects_all(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::All => true,
        Predicate::Prefix(prefix) => prefix.is_empty(),
        Predicate::Range { start, end } => start.is_empty() && end.is_empty(),
        Predicate::Keys(_) => false,
    }
}

/// The predicate, if it is valid.
fn valid(predicate: &KeyPredicate) -> Option<Predicate> {
    match predicate {
        KeyPredicate::Unset => None,
        KeyPredicate::MatchAll => Some(Predicate::All),
        KeyPredicate::MatchKeys(keys) => {
            let keys: Option<Vec<_>> = keys.iter().map(|key| Key::new(key.clone()).ok()).collect();
            Predicate::keys(keys?).ok()
        }
        KeyPredicate::MatchRange { start, end } => Predicate::range(start.clone(), end.clone()).ok(),
        KeyPredicate::MatchPrefix(prefix) => Predicate::prefix(prefix.clone()).ok(),
    }
}
