//! Validation of KeyValue's requests.

use std::collections::HashSet;

use super::request::{ItemInput, KeyPredicate, PreconditionInput};
use super::{Expected, Key, Limits, NewItem, Precondition, Predicate, RecordId};
use crate::common::Checks;
use crate::{DurationInput, Invalid, Namespace, Timestamp};

impl Checks {
    pub(super) fn record(&mut self, namespace: &str, id: &str) -> Option<(Namespace, RecordId)> {
        let namespace = self.at("namespace", Namespace::new(namespace));
        let id = self.at("id", RecordId::new(id));
        namespace.zip(id)
    }

    /// A Scan's names: an empty id means every record.
    pub(super) fn namespace_and_id(
        &mut self,
        namespace: &str,
        id: &str,
    ) -> Option<(Namespace, Option<RecordId>)> {
        if id.is_empty() {
            let namespace = self.at("namespace", Namespace::new(namespace));
            return namespace.map(|namespace| (namespace, None));
        }
        self.record(namespace, id).map(|(namespace, id)| (namespace, Some(id)))
    }

    pub(super) fn items(&mut self, items: Vec<ItemInput>) -> Vec<NewItem> {
        let (max_items, max_bytes) = (Limits::V1.put_items as usize, Limits::V1.put_bytes as usize);
        let bytes: usize = items.iter().map(|item| item.key.len() + item.value.len()).sum();
        let count = (items.is_empty() || items.len() > max_items)
            .then(|| format!("holds {} items; 1 to {max_items} are allowed", items.len()));
        let size = (bytes > max_bytes)
            .then(|| format!("keys and values are {bytes} bytes together; at most {max_bytes} are allowed"));
        // One violation for the field, whatever is wrong with it (ERR-1).
        let faults: Vec<_> = count.into_iter().chain(size).collect();
        if !faults.is_empty() {
            self.refuse("items", faults.join("; "));
        }
        self.no_duplicates("items", items.iter().map(|item| item.key.as_ref()));
        let checked = items.into_iter().enumerate();
        checked.filter_map(|(at, item)| self.item(at, item)).collect()
    }

    fn item(&mut self, at: usize, item: ItemInput) -> Option<NewItem> {
        let ItemInput { key, value, content_type, compression } = item;
        if value.len() > Limits::V1.value_bytes as usize {
            let why = Invalid::length(value.len(), 0, Limits::V1.value_bytes as usize);
            self.refuse(format_args!("items[{at}].value"), why.into_string());
        }
        if content_type.len() > Limits::CONTENT_TYPE_BYTES {
            let why = Invalid::length(content_type.len(), 0, Limits::CONTENT_TYPE_BYTES);
            self.refuse(format_args!("items[{at}].metadata.content_type"), why.into_string());
        }
        let key = self.at(format_args!("items[{at}].key"), Key::new(key))?;
        Some(NewItem { key, value, content_type, compression })
    }

    pub(super) fn preconditions(&mut self, input: Vec<PreconditionInput>) -> Vec<Precondition> {
        if input.len() > Limits::PRECONDITIONS {
            let (len, max) = (input.len(), Limits::PRECONDITIONS);
            self.refuse("preconditions", format!("holds {len} preconditions; at most {max} are allowed"));
        }
        self.no_duplicates("preconditions", input.iter().map(|input| input.key.as_ref()));
        let checked = input.into_iter().enumerate().filter_map(|(at, PreconditionInput { key, version })| {
            let key = self.at(format_args!("preconditions[{at}].key"), Key::new(key));
            let expected =
                self.at(format_args!("preconditions[{at}].version"), Expected::of_version(version));
            Some(Precondition { key: key?, expected: expected? })
        });
        checked.collect()
    }

    /// Refuses duplicate keys (PUT-4). A key of an invalid length is left to its own check: a field has one violation.
    fn no_duplicates<'a>(&mut self, list: &str, keys: impl ExactSizeIterator<Item = &'a [u8]>) {
        if keys.len() < 2 {
            return;
        }
        let mut seen = HashSet::with_capacity(keys.len());
        for (at, key) in keys.enumerate() {
            if Key::is_valid_length(key) && !seen.insert(key) {
                self.refuse(
                    format_args!("{list}[{at}].key"),
                    "repeats the key of an earlier entry; each key may occur once",
                );
            }
        }
    }

    pub(super) fn token(&mut self, token: i64) {
        if token < 0 {
            self.refuse("item_priority_token", "is negative; 0 (none) or a positive number is allowed");
        }
    }

    pub(super) fn expires_at(&mut self, now: Timestamp, ttl: Option<DurationInput>) -> Option<Timestamp> {
        let ttl = ttl?;
        self.at("ttl", expiry(now, ttl))
    }

    pub(super) fn predicate_or_all(&mut self, input: Option<KeyPredicate>) -> Option<Predicate> {
        input.map_or(Some(Predicate::All), |input| self.predicate(input))
    }

    pub(super) fn predicate_required(&mut self, input: Option<KeyPredicate>) -> Option<Predicate> {
        if input.is_none() {
            self.refuse("predicate", "is missing; set match_all to delete every item of the record");
        }
        self.predicate(input?)
    }

    fn predicate(&mut self, input: KeyPredicate) -> Option<Predicate> {
        match input {
            KeyPredicate::Unset => {
                let kinds = "match_all, match_keys, match_range or match_prefix";
                self.refuse("predicate", format!("has no kind that this server knows; set {kinds}"));
                None
            }
            KeyPredicate::MatchAll => Some(Predicate::All),
            KeyPredicate::MatchKeys(keys) => self.match_keys(keys),
            KeyPredicate::MatchRange { start, end } => {
                let valid = [
                    self.at("predicate.match_range.start", Predicate::check_bound(&start)),
                    self.at("predicate.match_range.end", Predicate::check_bound(&end)),
                    self.at("predicate.match_range", Predicate::check_order(&start, &end)),
                ];
                valid.iter().all(Option::is_some).then_some(Predicate::Range { start, end })
            }
            KeyPredicate::MatchPrefix(prefix) => {
                self.at("predicate.match_prefix.prefix", Predicate::prefix(prefix))
            }
        }
    }

    fn match_keys(&mut self, input: Vec<bytes::Bytes>) -> Option<Predicate> {
        let (named, mut keys) = (input.len(), Vec::with_capacity(input.len()));
        let counted = self.at("predicate.match_keys.keys", Predicate::check_count(named));
        for (at, key) in input.into_iter().enumerate() {
            keys.extend(self.at(format_args!("predicate.match_keys.keys[{at}]"), Key::new(key)));
        }
        if keys.len() < named {
            return None;
        }
        // The count was checked above, with its violation; this cannot fail for another reason.
        Predicate::keys(keys).ok().filter(|_| counted.is_some())
    }
}

/// The expiry of an item written at `now` with `ttl` (TTL-3).
fn expiry(now: Timestamp, ttl: DurationInput) -> Result<Timestamp, Invalid> {
    let negative = || Invalid::new("is negative; omit it for an item that never expires");
    let span = ttl.span()?.ok_or_else(negative)?;
    if span.is_zero() {
        return Err(Invalid::new("is 0; omit it for an item that never expires"));
    }
    now.checked_add(span).ok_or_else(|| Invalid::new("ends after the year 9999"))
}
