//! What a Get or a Scan must answer.

use bytes::Bytes;
use prism_contract::keyvalue::request::{GetRequest, KeyPredicate, ScanRequest, SelectionInput};

use super::expected::{Ending, Entry, Event, ExclusionReason, Expectation, Expected, Rest};
use super::pages::{Position, Scope};
use super::{Model, refuse};

/// A page's default and largest size (PAGE-7).
const PAGE_ITEMS: u32 = 1_000;
const PAGE_BYTES: u32 = 2 << 20;

/// Whether a predicate chooses a key.
pub(super) fn chooses(predicate: Option<&KeyPredicate>, key: &Bytes) -> bool {
    match predicate {
        None | Some(KeyPredicate::MatchAll) => true,
        Some(KeyPredicate::Unset) => false,
        Some(KeyPredicate::MatchKeys(keys)) => keys.contains(key),
        // PRED-1: start is inclusive, end exclusive, and an empty bound is open.
        Some(KeyPredicate::MatchRange { start, end }) => key >= start && (end.is_empty() || key < end),
        Some(KeyPredicate::MatchPrefix(prefix)) => key.starts_with(prefix),
    }
}

/// 0 means the default, and what is above the published limit means the limit (PAGE-7).
fn clamped(asked: u32, most: u32) -> usize {
    (if asked == 0 { most } else { asked.min(most) }) as usize
}

impl Model {
    pub(super) fn expect_get(&self, get: &GetRequest) -> Expectation {
        let scope = Scope::of_get(get);
        let after = self.tokens.position(&scope, &get.page_token);
        if let Some(refused) = refuse::get(get, after.is_ok(), self.claims) {
            return refused;
        }
        let after = after.unwrap_or(None);
        let rest = self.rest(&get.namespace, Some(&get.id), get.predicate.as_ref(), get.selection, after);
        let events = Self::read_events(&rest, after.is_some(), 1);
        Expectation { answer: Expected::Page(rest), changes: Vec::new(), events }
    }

    pub(super) fn expect_scan(&self, scan: &ScanRequest, cut: Option<usize>) -> Expectation {
        let scope = Scope::of_scan(scan);
        let after = self.tokens.position(&scope, &scan.resume_token);
        if let Some(refused) = refuse::scan(scan, after.is_ok(), self.claims) {
            return refused;
        }
        let after = after.unwrap_or(None);
        let id = (!scan.id.is_empty()).then_some(&scan.id);
        let rest = self.rest(&scan.namespace, id, scan.predicate.as_ref(), scan.selection, after);
        let events = Self::read_events(&rest, after.is_some(), cut.unwrap_or(usize::MAX));
        let limit = usize::try_from(scan.limit).ok().filter(|limit| *limit > 0);
        Expectation { answer: Expected::Messages(rest, Ending { limit, cut }), changes: Vec::new(), events }
    }

    fn read_events(rest: &Rest, continued: bool, pages: usize) -> Vec<Event> {
        let mut events = Vec::new();
        if !rest.entries.is_empty() {
            events.push(Event::Read);
        }
        if continued {
            events.push(Event::Continued);
        }
        if rest.entries.len() > rest.most_items.saturating_mul(pages) {
            events.push(Event::Cut);
        }
        let expired = rest.excluded.iter().filter(|(.., why)| *why == ExclusionReason::Expired);
        events.extend(expired.map(|_| Event::Expired));
        events
    }

    /// The live items that are chosen and lie beyond `after`, in order (ORD-1), mirrored with reverse (ORD-2).
    fn rest(
        &self,
        namespace: &str,
        id: Option<&String>,
        predicate: Option<&KeyPredicate>,
        selection: SelectionInput,
        after: Option<&Position>,
    ) -> Rest {
        let now = self.clock.now();
        let (mut entries, mut excluded) = (Vec::new(), Vec::new());
        let places =
            self.records.iter().filter(|((ns, of), _)| ns == namespace && id.is_none_or(|id| id == of));
        for ((_, id), key, known) in
            places.flat_map(|(place, record)| record.iter().map(move |(key, known)| (place, key, known)))
        {
            let position = (id.clone(), key.clone());
            let passed = after
                .is_some_and(|after| if selection.reverse { position >= *after } else { position <= *after });
            let (id, key) = position;
            match known.live(now) {
                _ if !chooses(predicate, &key) => excluded.push((id, key, ExclusionReason::NotChosen)),
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
        Rest {
            entries,
            keys_only: selection.keys_only,
            most_items: clamped(selection.item_limit, PAGE_ITEMS),
            most_bytes: clamped(selection.page_size_bytes, PAGE_BYTES),
            excluded,
        }
    }
}
