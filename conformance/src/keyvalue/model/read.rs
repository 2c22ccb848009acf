//! Expected answers of Get and Scan.

use bytes::Bytes;
use prism_contract::keyvalue::request::{GetRequest, KeyPredicate, ScanRequest, SelectionInput};

use super::expected::{Entry, Event, ExclusionReason, Expectation, Expected, Remaining, ScanLimits};
use super::pages::{Position, Scope};
use super::{Model, refuse};

/// Default and maximum page size (PAGE-7).
const PAGE_ITEMS: u32 = 1_000;
const PAGE_BYTES: u32 = 2 << 20;

/// Whether a predicate selects a key.
pub(super) fn selects(predicate: Option<&KeyPredicate>, key: &Bytes) -> bool {
    match predicate {
        None | Some(KeyPredicate::MatchAll) => true,
        Some(KeyPredicate::Unset) => false,
        Some(KeyPredicate::MatchKeys(keys)) => keys.contains(key),
        // PRED-1: start is inclusive, end exclusive, and an empty bound is open.
        Some(KeyPredicate::MatchRange { start, end }) => key >= start && (end.is_empty() || key < end),
        Some(KeyPredicate::MatchPrefix(prefix)) => key.starts_with(prefix),
    }
}

/// 0 means the default; a value above the published limit is clamped to it (PAGE-7).
fn clamped(requested: u32, max: u32) -> usize {
    (if requested == 0 { max } else { requested.min(max) }) as usize
}

impl Model {
    pub(super) fn expect_get(&self, get: &GetRequest) -> Expectation {
        let scope = Scope::of_get(get);
        let after = self.tokens.position(&scope, &get.page_token);
        if let Some(refused) = refuse::get(get, after.is_ok(), self.capabilities) {
            return refused;
        }
        let after = after.unwrap_or(None);
        let remaining =
            self.remaining(&get.namespace, Some(&get.id), get.predicate.as_ref(), get.selection, after);
        let events = Self::read_events(&remaining, after.is_some(), 1);
        Expectation { answer: Expected::Page(remaining), changes: Vec::new(), events }
    }

    pub(super) fn expect_scan(&self, scan: &ScanRequest, cut: Option<usize>) -> Expectation {
        let scope = Scope::of_scan(scan);
        let after = self.tokens.position(&scope, &scan.resume_token);
        if let Some(refused) = refuse::scan(scan, after.is_ok(), self.capabilities) {
            return refused;
        }
        let after = after.unwrap_or(None);
        let id = (!scan.id.is_empty()).then_some(&scan.id);
        let remaining = self.remaining(&scan.namespace, id, scan.predicate.as_ref(), scan.selection, after);
        let events = Self::read_events(&remaining, after.is_some(), cut.unwrap_or(usize::MAX));
        let limit = usize::try_from(scan.limit).ok().filter(|limit| *limit > 0);
        Expectation {
            answer: Expected::Messages(remaining, ScanLimits { limit, cut }),
            changes: Vec::new(),
            events,
        }
    }

    fn read_events(remaining: &Remaining, continued: bool, pages: usize) -> Vec<Event> {
        let mut events = Vec::new();
        if !remaining.entries.is_empty() {
            events.push(Event::Read);
        }
        if continued {
            events.push(Event::Continued);
        }
        if remaining.entries.len() > remaining.max_items.saturating_mul(pages) {
            events.push(Event::Cut);
        }
        let expired = remaining.excluded.iter().filter(|(.., why)| *why == ExclusionReason::Expired);
        events.extend(expired.map(|_| Event::Expired));
        events
    }

    /// Live selected items after `after`, in order (ORD-1), mirrored with reverse (ORD-2).
    fn remaining(
        &self,
        namespace: &str,
        id: Option<&String>,
        predicate: Option<&KeyPredicate>,
        selection: SelectionInput,
        after: Option<&Position>,
    ) -> Remaining {
        let now = self.clock.now();
        let (mut entries, mut excluded) = (Vec::new(), Vec::new());
        let records =
            self.records.iter().filter(|((ns, of), _)| ns == namespace && id.is_none_or(|id| id == of));
        for ((_, id), key, known) in
            records.flat_map(|(path, record)| record.iter().map(move |(key, known)| (path, key, known)))
        {
            let position = (id.clone(), key.clone());
            let passed = after
                .is_some_and(|after| if selection.reverse { position >= *after } else { position <= *after });
            let (id, key) = position;
            match known.live(now) {
                _ if !selects(predicate, &key) => excluded.push((id, key, ExclusionReason::NotSelected)),
                None if known.is_expired(now) => excluded.push((id, key, ExclusionReason::Expired)),
                None => excluded.push((id, key, ExclusionReason::Gone)),
                Some(_) if passed => excluded.push((id, key, ExclusionReason::Passed)),
                Some(item) => {
                    entries.push(Entry { id, key, item: item.clone(), highest: known.highest });
                }
            }
        }
        if selection.reverse {
            entries.reverse();
        }
        Remaining {
            entries,
            keys_only: selection.keys_only,
            max_items: clamped(selection.item_limit, PAGE_ITEMS),
            max_bytes: clamped(selection.page_size_bytes, PAGE_BYTES),
            excluded,
        }
    }
}
