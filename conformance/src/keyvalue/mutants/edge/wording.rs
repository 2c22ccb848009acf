//! Flaws in the statuses and answers of an edge.

use bytes::Bytes;
use prism_contract::keyvalue::request::{GetRequest, GetResponse, KeyPredicate, PutRequest};
use prism_contract::keyvalue::{Item, Key};
use prism_contract::{Error, FieldViolation, Timestamp};

use crate::core::{Failure, StatusCode};
use crate::keyvalue::mutants::{Bug, Flaw};

impl Flaw {
    /// The status of an error, with its details (ERR-1, ERR-2).
    pub(super) fn status(self, error: Error, unavailable: bool) -> Failure {
        let cause = error.cause().map(|cause| format!("{cause:?}"));
        let mut failure = Failure::from(error);
        if self.has(Bug::MissingErrorInfo) {
            (failure.reason, failure.domain) = (None, None);
        }
        if self.has(Bug::SaysInternalForAnOutage) && unavailable {
            (failure.code, failure.reason) = (StatusCode::Internal, Some("INTERNAL".to_owned()));
        }
        if self.has(Bug::OutageHasNoRetryInfo) && unavailable {
            failure.retry_after = None;
        }
        if self.has(Bug::LeaksSqlInMessages) {
            failure.message += &cause.unwrap_or_default();
        }
        if self.has(Bug::RefusalHasNoFieldViolations) {
            failure.violations.clear();
        }
        if self.has(Bug::RefusalNamesOnlyTheFirstViolation) {
            failure.violations.truncate(1);
        }
        self.reword_violations(&mut failure.violations);
        if self.has(Bug::SaysAbortedForAFailedPrecondition) && failure.code == StatusCode::FailedPrecondition
        {
            failure.code = StatusCode::Aborted;
        }
        if self.has(Bug::SaysOutOfRangeForABadToken)
            && failure.violations.iter().any(|violation| violation.field.ends_with("_token"))
        {
            failure.code = StatusCode::OutOfRange;
        }
        failure
    }

    /// The violations of a refusal: paths, repetitions and the count of those not listed (ERR-1).
    fn reword_violations(self, violations: &mut Vec<FieldViolation>) {
        if self.has(Bug::ListsAFieldTwice) {
            violations.extend(violations.first().cloned());
        }
        if self.has(Bug::LeavesOutTheCountOfViolations) {
            violations.retain(|violation| violation.field != "...");
        }
        for violation in violations {
            if self.has(Bug::SpellsFieldsInCamelCase) {
                violation.field = camel_case(&violation.field);
            }
            if self.has(Bug::NamesFieldsWithoutTheirIndex) {
                violation.field = without_indexes(&violation.field);
            }
        }
    }

    /// Request values quoted in an error message (ERR-2: none).
    pub(super) fn quoted_values(self, put: &PutRequest) -> String {
        let values = put.items.iter().filter(|_| self.has(Bug::LeaksValuesInMessages));
        let values: Vec<_> = values.map(|item| format!(" {:?}", item.value)).collect();
        values.concat()
    }

    /// The page that is answered (PRED-4, RT-6).
    pub(super) fn get_answer(self, request: &GetRequest, mut answer: GetResponse) -> GetResponse {
        let Some(KeyPredicate::MatchKeys(named)) = &request.predicate else { return answer };
        let position = |item: &Item| named.iter().position(|key| *key == item.key.as_bytes());
        if self.has(Bug::MatchKeysInRequestOrder) {
            answer.items.sort_by_key(position);
        }
        if self.has(Bug::MatchKeysRepeats) {
            let times = |item: &Item| named.iter().filter(|key| **key == item.key.as_bytes()).count();
            answer.items =
                answer.items.into_iter().flat_map(|item| vec![item.clone(); times(&item)]).collect();
        }
        if self.has(Bug::AnswersAbsentKeysEmpty) {
            let is_absent = |key: &&Bytes| !answer.items.iter().any(|item| item.key.as_bytes() == **key);
            let absent: Vec<_> = named.iter().filter(is_absent).filter_map(empty_item).collect();
            answer.items.extend(absent);
        }
        answer
    }
}

fn camel_case(path: &str) -> String {
    let mut words = path.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |path, word| {
        let (head, rest) = word.split_at(word.len().min(1));
        path + &head.to_uppercase() + rest
    })
}

/// `items.key` instead of `items[3].key`.
fn without_indexes(path: &str) -> String {
    let parts = path.split('[').enumerate();
    let parts = parts
        .map(|(at, part)| if at == 0 { part } else { part.split_once(']').map_or(part, |(_, rest)| rest) });
    parts.collect()
}

fn empty_item(key: &Bytes) -> Option<Item> {
    Some(Item {
        key: Key::new(key.clone()).ok()?,
        value: Bytes::new(),
        content_type: String::new(),
        compression: 0,
        version: 0,
        priority_token: 0,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        expires_at: None,
    })
}
