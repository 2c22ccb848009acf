//! A record's history as search input: keys and values by number, reduced to what constrains the order.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use prism_contract::keyvalue::request::{KeyPredicate, PreconditionInput};
use prism_contract::keyvalue::{Entry, Item};

use super::model::{Answer, At, Call, Key, Observed, Record, State};
use super::{History, Operation};
use crate::core::StatusCode;
use crate::core::linearizability::{Problem, Step};
use crate::keyvalue::{Outcome, Request, Response};

/// Keys and values behind the numbers of a record's problem.
pub struct Names {
    /// Every key in a request or an answer, sorted.
    pub(super) keys: Vec<Bytes>,
    /// Every value written or read.
    pub(super) values: Vec<Bytes>,
}

/// Search input for a record's history.
pub(super) fn problem(history: &History) -> (Names, Problem<Record>) {
    let keys: BTreeSet<Bytes> = history.operations.iter().flat_map(keys_of).collect();
    let mut numbers = Numbers { keys: keys.into_iter().collect(), values: HashMap::new() };
    let mut steps: Vec<Step<Record>> = Vec::new();
    for (at, operation) in history.operations.iter().enumerate() {
        let Some((op, certain)) = numbers.call(operation) else { continue };
        let ended = operation.returned.filter(|_| certain);
        steps.push(Step { operation: at, called: operation.called, ended, op });
    }
    steps.sort_by_key(|step| step.called);
    let mut values = vec![Bytes::new(); numbers.values.len()];
    for (value, number) in numbers.values {
        values[number as usize] = value;
    }
    let initial = State::empty(numbers.keys.len());
    (Names { keys: numbers.keys, values }, Problem { initial, steps })
}

fn keys_of(operation: &Operation) -> Vec<Bytes> {
    let mut keys = match &operation.request {
        Request::Put(put) => put
            .items
            .iter()
            .map(|item| item.key.clone())
            .chain(put.preconditions.iter().map(|condition| condition.key.clone()))
            .collect(),
        Request::Delete(delete) => named_keys(delete.predicate.as_ref())
            .into_iter()
            .chain(delete.preconditions.iter().map(|condition| condition.key.clone()))
            .collect(),
        Request::Get(get) => named_keys(get.predicate.as_ref()),
        Request::Scan(scan, _) => named_keys(scan.predicate.as_ref()),
        Request::Describe(_) => Vec::new(),
    };
    keys.extend(operation.outcome.iter().flat_map(items_of).map(|item| item.key.clone().into_bytes()));
    if let Some(Outcome::Failed(failure)) = &operation.outcome {
        keys.extend(failure.failed_preconditions.iter().map(|failed| failed.key.clone()));
    }
    keys
}

fn named_keys(predicate: Option<&KeyPredicate>) -> Vec<Bytes> {
    match predicate {
        Some(KeyPredicate::MatchKeys(keys)) => keys.clone(),
        Some(
            KeyPredicate::MatchAll
            | KeyPredicate::MatchRange { .. }
            | KeyPredicate::MatchPrefix(_)
            | KeyPredicate::Unset,
        )
        | None => Vec::new(),
    }
}

fn items_of(outcome: &Outcome) -> Vec<&Item> {
    match outcome {
        Outcome::Answered(Response::Get(answer)) => answer.items.iter().collect(),
        Outcome::Answered(Response::Scan(messages)) => {
            messages.iter().flat_map(|message| &message.entries).map(|Entry { item, .. }| item).collect()
        }
        Outcome::Answered(Response::Put(_) | Response::Delete(_) | Response::Describe(_))
        | Outcome::Failed(_)
        | Outcome::Done => Vec::new(),
    }
}

struct Numbers {
    keys: Vec<Bytes>,
    values: HashMap<Bytes, u32>,
}

impl Numbers {
    /// The call with its answer, and whether it certainly took effect; `None`: it does not constrain the order.
    fn call(&mut self, operation: &Operation) -> Option<(Call, bool)> {
        match &operation.request {
            Request::Put(put) => {
                let (answer, certain) = self.answer(operation.outcome.as_ref(), |outcome| match outcome {
                    Outcome::Answered(Response::Put(answer)) => {
                        Some(answer.results.iter().map(|result| (result.applied, result.version)).collect())
                    }
                    _ => None,
                })?;
                let items = put.items.iter().map(|item| (self.key(&item.key), self.value(&item.value)));
                let items = items.collect();
                let (token, conditions) = (put.item_priority_token, self.conditions(&put.preconditions));
                Some((Call::Put { items, token, conditions, answer }, certain))
            }
            Request::Delete(delete) => {
                let (answer, certain) = self.answer(operation.outcome.as_ref(), |outcome| match outcome {
                    Outcome::Answered(Response::Delete(answer)) => Some(answer.deleted_count),
                    _ => None,
                })?;
                let keys = self.selected(delete.predicate.as_ref());
                let named = matches!(delete.predicate, Some(KeyPredicate::MatchKeys(_)));
                let (token, conditions) =
                    (delete.item_priority_token, self.conditions(&delete.preconditions));
                Some((Call::Delete { keys, named, token, conditions, answer }, certain))
            }
            Request::Get(get) if get.page_token.is_empty() => match &operation.outcome {
                Some(outcome @ Outcome::Answered(Response::Get(answer))) => {
                    let more = !answer.next_page_token.is_empty();
                    Some((self.read(get.predicate.as_ref(), get.selection.reverse, outcome, more), true))
                }
                _ => None,
            },
            Request::Scan(scan, _) if scan.resume_token.is_empty() => match &operation.outcome {
                Some(outcome @ Outcome::Answered(Response::Scan(messages))) if messages.len() == 1 => {
                    let more = !messages[0].resume_token.is_empty();
                    Some((self.read(scan.predicate.as_ref(), scan.selection.reverse, outcome, more), true))
                }
                _ => None,
            },
            Request::Get(_) | Request::Scan(..) | Request::Describe(_) => None,
        }
    }

    /// Answer of a write; `None`: it certainly had no effect, and shows nothing about the record.
    fn answer<T>(
        &self,
        outcome: Option<&Outcome>,
        done: impl FnOnce(&Outcome) -> Option<T>,
    ) -> Option<(Answer<T>, bool)> {
        match outcome {
            None => Some((Answer::Unknown, false)),
            Some(Outcome::Failed(failure)) if failure.code == StatusCode::FailedPrecondition => {
                let failed = failure.failed_preconditions.iter();
                let failed = failed.map(|failed| (self.key(&failed.key), failed.current_version)).collect();
                Some((Answer::Refused(failed), true))
            }
            Some(Outcome::Failed(failure)) => failure.is_ambiguous().then_some((Answer::Unknown, false)),
            Some(outcome) => done(outcome).map(|answer| (Answer::Done(answer), true)),
        }
    }

    fn read(
        &mut self,
        predicate: Option<&KeyPredicate>,
        reverse: bool,
        outcome: &Outcome,
        more: bool,
    ) -> Call {
        let mut keys = self.selected(predicate);
        if reverse {
            keys.reverse();
        }
        let items = items_of(outcome).into_iter().map(|item| Observed {
            key: self.key(&item.key),
            value: self.value(&item.value),
            version: item.version,
            token: item.priority_token,
        });
        Call::Read { items: items.collect(), keys, more }
    }

    fn conditions(&self, inputs: &[PreconditionInput]) -> Vec<At> {
        inputs.iter().map(|condition| (self.key(&condition.key), condition.version)).collect()
    }

    fn selected(&self, predicate: Option<&KeyPredicate>) -> Vec<Key> {
        let keys = self.keys.iter().enumerate();
        keys.filter(|(_, key)| selects(predicate, key)).map(|(at, _)| at).collect()
    }

    fn key(&self, key: &[u8]) -> Key {
        self.keys.partition_point(|known| known.as_ref() < key)
    }

    fn value(&mut self, value: &Bytes) -> u32 {
        let next = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        *self.values.entry(value.clone()).or_insert(next)
    }
}

pub(super) fn selects(predicate: Option<&KeyPredicate>, key: &[u8]) -> bool {
    match predicate {
        None | Some(KeyPredicate::MatchAll) => true,
        Some(KeyPredicate::Unset) => false,
        Some(KeyPredicate::MatchKeys(keys)) => keys.iter().any(|named| named.as_ref() == key),
        Some(KeyPredicate::MatchRange { start, end }) => {
            start.as_ref() <= key && (end.is_empty() || key < end.as_ref())
        }
        Some(KeyPredicate::MatchPrefix(prefix)) => key.starts_with(prefix),
    }
}
