//! Random workload: reads and writes of every kind on a few keys of one record.

use std::collections::BTreeMap;

use prism_contract::keyvalue::request::{KeyPredicate, PutRequest};

use super::Client;
use super::requests::{Record, keys, preconditions, range};
use crate::core::linearizability::Dice;
use crate::keyvalue::{Outcome, Request, Response};

const KEYS: [&str; 3] = ["a", "b", "c"];

/// Optional features of the workload's writes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mix {
    pub(crate) conditions: bool,
    pub(crate) tokens: bool,
}

/// Workload of one client on one record.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) mix: Mix,
    pub(crate) record: Record,
    pub(crate) seed: u64,
    pub(crate) operations: usize,
    /// Part of the history: values and tokens differ between parts.
    pub(crate) part: usize,
}

impl Plan {
    /// Sends the operations one by one, until all are done or the client is stopped.
    pub(crate) async fn run(self, mut client: Client) {
        let salt = client.number() + 16 * self.part;
        let mut dice = Dice::new(self.seed, salt as u64);
        let mut versions = BTreeMap::new();
        for number in 0..self.operations {
            let request = self.random_request(&mut dice, &versions, client.number(), number);
            let Some(outcome) = client.send(request.clone()).await else { return };
            record_versions(&mut versions, &request, &outcome);
        }
    }

    fn random_request(
        &self,
        dice: &mut Dice,
        versions: &BTreeMap<&'static str, i64>,
        client: usize,
        number: usize,
    ) -> Request {
        let record = &self.record;
        let token = |dice: &mut Dice| {
            let now = 1 + (self.part * self.operations + number) * 2;
            let value = i64::try_from(now + dice.below(5)).unwrap_or(1);
            if self.mix.tokens && dice.chance(70) { value } else { 0 }
        };
        let conditions = |dice: &mut Dice| {
            if !self.mix.conditions || dice.chance(40) {
                return Vec::new();
            }
            let selected =
                if dice.chance(30) { dice.some(&KEYS) } else { vec![KEYS[dice.below(KEYS.len())]] };
            let known = selected.iter().map(|key| (*key, versions.get(key).copied().unwrap_or(0)));
            preconditions(&known.collect::<Vec<_>>())
        };
        match dice.below(100) {
            0..45 => {
                let value = format!("{}{}.{number}", ["", "x", "y", "z"][self.part.min(3)], client);
                let put = record.put(&dice.some(&KEYS), &value);
                let item_priority_token = token(dice);
                Request::Put(PutRequest { item_priority_token, preconditions: conditions(dice), ..put })
            }
            45..60 => {
                let mut delete = record.delete(predicate(dice));
                delete.item_priority_token = token(dice);
                delete.preconditions = conditions(dice);
                Request::Delete(delete)
            }
            60..90 => Request::Get(record.get(predicate(dice))),
            _ => Request::Scan(record.scan(predicate(dice)), None),
        }
    }
}

fn predicate(dice: &mut Dice) -> KeyPredicate {
    match dice.below(4) {
        0 => keys(&dice.some(&KEYS)),
        1 => range("a", "c"),
        2 => range("b", ""),
        _ => KeyPredicate::MatchAll,
    }
}

/// Records the versions that the client sees, so that its preconditions have a chance to hold.
fn record_versions(versions: &mut BTreeMap<&'static str, i64>, request: &Request, outcome: &Outcome) {
    let known = |key: &[u8]| KEYS.into_iter().find(|known| known.as_bytes() == key);
    let mut set = |key: &[u8], version: i64| {
        if let Some(key) = known(key) {
            versions.insert(key, version);
        }
    };
    match (request, outcome) {
        (Request::Put(put), Outcome::Answered(Response::Put(answer))) => {
            let results = put.items.iter().zip(&answer.results);
            results.for_each(|(item, result)| set(&item.key, result.version));
        }
        (_, Outcome::Failed(failure)) => {
            let failed = failure.failed_preconditions.iter();
            failed.for_each(|failed| set(&failed.key, failed.current_version));
        }
        (_, outcome) => {
            outcome.items().iter().flatten().for_each(|item| set(&item.key, item.version));
        }
    }
}
