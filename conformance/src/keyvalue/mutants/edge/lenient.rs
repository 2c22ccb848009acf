//! Invalid requests that flawed edges accept: each becomes the nearest valid request.

use std::collections::HashSet;

use bytes::Bytes;
use prism_contract::Error;
use prism_contract::keyvalue::request::{
    DeleteRequest, GetRequest, ItemInput, KeyPredicate, PreconditionInput, PutRequest, ScanRequest,
    SelectionInput, Ttl,
};
use prism_contract::keyvalue::{Capability, Limits, PutResult};

use crate::keyvalue::mutants::{Bug, Flaw};

impl Flaw {
    /// The Put that this edge executes.
    pub(super) fn lenient_put(self, mut put: PutRequest) -> Result<PutRequest, Error> {
        self.check_capability_first(!put.preconditions.is_empty(), Capability::ConditionalWrites)?;
        if self.has(Bug::AcceptsDuplicateKeys) {
            let mut seen = HashSet::new();
            put.items = put.items.into_iter().rev().filter(|item| seen.insert(item.key.clone())).collect();
            put.items.reverse();
        }
        if self.has(Bug::AcceptsANegativeToken) {
            put.item_priority_token = put.item_priority_token.max(0);
        }
        if self.has(Bug::ZeroTtlMeansForever) {
            put.ttl = put.ttl.filter(|ttl| *ttl != Ttl::default());
        }
        if self.has(Bug::NegativeTtlMeansForever) {
            put.ttl = put.ttl.filter(|ttl| ttl.seconds >= 0 && ttl.nanos >= 0);
        }
        if self.has(Bug::NormalisesAMalformedTtl) {
            put.ttl = put.ttl.map(normalised);
        }
        if self.has(Bug::RoundsATtlDown) {
            put.ttl = put.ttl.map(|ttl| Ttl { nanos: ttl.nanos / 1_000 * 1_000, ..ttl });
        }
        if self.has(Bug::CapsAnEndlessTtl) {
            // 5,000 years: past the year 7000, and before 9999.
            put.ttl = put.ttl.map(|ttl| Ttl { seconds: ttl.seconds.min(157_788_000_000), ..ttl });
        }
        if self.has(Bug::AcceptsATooLongContentType) {
            put.items.iter_mut().for_each(|item| item.content_type.truncate(Limits::CONTENT_TYPE_BYTES));
        }
        if self.has(Bug::RefusesAValueAtTheLimit) && put.items.iter().any(is_at_the_limit) {
            return Err(Error::invalid("items[0].value", "is too long"));
        }
        if self.has(Bug::UnclaimedIsIgnored) {
            put = PutRequest { preconditions: Vec::new(), item_priority_token: 0, ttl: None, ..put };
        }
        self.lenient_preconditions(&mut put.preconditions);
        Ok(put)
    }

    /// The Get that this edge executes.
    pub(super) fn lenient_get(self, mut get: GetRequest) -> Result<GetRequest, Error> {
        self.check_capability_first(get.selection.reverse, Capability::Reverse)?;
        if self.has(Bug::GetNeedsAPredicate) && get.predicate.is_none() {
            return Err(Error::invalid("predicate", "is missing"));
        }
        if self.has(Bug::RefusesALimitAboveTheMaximum) && get.selection.item_limit > Limits::V1.page_items {
            return Err(Error::invalid("selection.item_limit", "is above the maximum"));
        }
        get.predicate = self.lenient_predicate(get.predicate)?;
        get.selection = self.lenient_selection(get.selection);
        Ok(get)
    }

    /// The Delete that this edge executes.
    pub(super) fn lenient_delete(self, mut delete: DeleteRequest) -> Result<DeleteRequest, Error> {
        self.check_capability_first(!delete.preconditions.is_empty(), Capability::ConditionalWrites)?;
        if self.has(Bug::MissingPredicateDeletesAll) {
            delete.predicate = delete.predicate.or(Some(KeyPredicate::MatchAll));
        }
        if self.has(Bug::AcceptsANegativeToken) {
            delete.item_priority_token = delete.item_priority_token.max(0);
        }
        if self.has(Bug::UnclaimedIsIgnored) {
            delete = DeleteRequest { preconditions: Vec::new(), item_priority_token: 0, ..delete };
        }
        delete.predicate = self.lenient_predicate(delete.predicate)?;
        self.lenient_preconditions(&mut delete.preconditions);
        Ok(delete)
    }

    /// The Scan that this edge executes.
    pub(super) fn lenient_scan(self, mut scan: ScanRequest) -> Result<ScanRequest, Error> {
        self.check_capability_first(scan.selection.reverse, Capability::Reverse)?;
        if self.has(Bug::ScanForgetsLimit) {
            scan.limit = 0;
        }
        scan.predicate = self.lenient_predicate(scan.predicate)?;
        scan.selection = self.lenient_selection(scan.selection);
        Ok(scan)
    }

    fn lenient_predicate(self, predicate: Option<KeyPredicate>) -> Result<Option<KeyPredicate>, Error> {
        let max = Limits::V1.key_bytes as usize;
        Ok(match predicate {
            Some(KeyPredicate::MatchRange { start, end })
                if self.has(Bug::RefusesABoundBehindTheLongestKey) && start.len().max(end.len()) > max =>
            {
                return Err(Error::invalid("predicate.match_range", "has a bound that is too long"));
            }
            // The contract's edge refuses a longer bound.
            Some(KeyPredicate::MatchRange { mut start, mut end })
                if self.has(Bug::CutsABoundToTheLengthOfAKey)
                    && start.len().max(end.len()) <= Limits::BOUND_BYTES =>
            {
                start.truncate(max);
                end.truncate(max);
                Some(KeyPredicate::MatchRange { start, end })
            }
            Some(KeyPredicate::Unset) if self.has(Bug::UnsetPredicateMeansAll) => {
                Some(KeyPredicate::MatchAll)
            }
            Some(KeyPredicate::MatchRange { start, end })
                if self.has(Bug::AcceptsAnInvertedRange) && !end.is_empty() && end < start =>
            {
                Some(KeyPredicate::MatchRange { start: end, end: start })
            }
            Some(KeyPredicate::MatchRange { start, end })
                if self.has(Bug::AcceptsAnEmptyRange) && !end.is_empty() && end == start =>
            {
                let end = Bytes::from([start.as_ref(), &[0]].concat());
                Some(KeyPredicate::MatchRange { start, end })
            }
            predicate => predicate,
        })
    }

    fn lenient_selection(self, mut selection: SelectionInput) -> SelectionInput {
        if self.has(Bug::UnclaimedIsIgnored) {
            selection.reverse = false;
        }
        selection
    }

    fn lenient_preconditions(self, preconditions: &mut Vec<PreconditionInput>) {
        if self.has(Bug::NegativeVersionMeansAbsent) {
            for condition in preconditions.iter_mut() {
                condition.version = condition.version.max(0);
            }
        }
        if self.has(Bug::AcceptsAPreconditionTwice) {
            let mut seen = HashSet::new();
            preconditions.retain(|condition| seen.insert(condition.key.clone()));
        }
    }

    /// Refuses an undeclared capability before the request is validated; the contract's edge does so afterwards (ERR-1).
    fn check_capability_first(self, used: bool, capability: Capability) -> Result<(), Error> {
        if self.has(Bug::ChecksCapabilityBeforeValidity) && used {
            return Err(Error::Unimplemented(capability.name()));
        }
        Ok(())
    }
}

/// Results of a gateway that acknowledges a Put without its database.
pub(super) fn fabricated_results(put: &PutRequest) -> Vec<PutResult> {
    put.items.iter().map(|_| PutResult { applied: true, version: 1 }).collect()
}

/// The same span with less than a second of nanoseconds, of the sign of the seconds.
fn normalised(ttl: Ttl) -> Ttl {
    const SECOND: i128 = 1_000_000_000;
    let nanos = i128::from(ttl.seconds) * SECOND + i128::from(ttl.nanos);
    match (i64::try_from(nanos / SECOND), i32::try_from(nanos % SECOND)) {
        (Ok(seconds), Ok(nanos)) => Ttl { seconds, nanos },
        _ => ttl,
    }
}

fn is_at_the_limit(item: &ItemInput) -> bool {
    item.value.len() == Limits::V1.value_bytes as usize
}
