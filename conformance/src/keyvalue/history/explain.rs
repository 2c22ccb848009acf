//! Text form of answers about a record, with versions by name.

use super::model::{Answer, At, Call, State};
use super::problem::Names as Numbers;
use crate::core::bytes;
use crate::core::linearizability::Shown;
use crate::keyvalue::render::Placeholders;
use crate::keyvalue::{KeyValue, Outcome, Response};

/// Renders the answers of one violation.
pub(super) struct Renderer<'a> {
    shown: &'a Shown<'a, KeyValue>,
    names: Placeholders<'a>,
}

impl<'a> Renderer<'a> {
    pub(super) fn of(shown: &'a Shown<'a, KeyValue>) -> Self {
        Self { shown, names: Placeholders::of(shown.transcript) }
    }

    /// The answer that the specification allows in this state.
    pub(super) fn allowed(&self, numbers: &Numbers, call: &Call, state: &State) -> String {
        let at = |(key, version): &At| {
            format!("{} {}", bytes(&numbers.keys[*key]), self.version(&numbers.keys[*key], *version))
        };
        match call {
            Call::Read { items, .. } => list(items.iter().map(|seen| {
                let (key, value) = (&numbers.keys[seen.key], &numbers.values[seen.value as usize]);
                let version = match seen.version {
                    0 => "at a version not seen yet".to_owned(),
                    version => self.version(key, version),
                };
                format!("{}={} {version}{}", bytes(key), bytes(value), token(seen.token))
            })),
            Call::Put { answer: Answer::Refused(failed), .. }
            | Call::Delete { answer: Answer::Refused(failed), .. } => {
                format!("FAILED_PRECONDITION with {}", list(failed.iter().map(at)))
            }
            Call::Put { items, .. } => {
                let above = |&(key, _): &(usize, u32)| {
                    let floor = state.next_version(key) - 1;
                    let key = &numbers.keys[key];
                    match self.known_version(key, floor) {
                        Some(version) => format!("{} above {version}", bytes(key)),
                        None => bytes(key),
                    }
                };
                format!("OK with versions of {}", list(items.iter().map(above)))
            }
            Call::Delete { answer: Answer::Done(count), .. } => format!("deleted {count}"),
            Call::Delete { answer: Answer::Unknown, .. } => "OK".to_owned(),
        }
    }

    /// The culprit's actual answer, with versions by name.
    pub(super) fn actual(&self) -> String {
        let item = |item: &prism_contract::keyvalue::Item| {
            let version = self.version(&item.key, item.version);
            format!("{}={} {version}{}", bytes(&item.key), bytes(&item.value), token(item.priority_token))
        };
        match &self.shown.culprit.outcome {
            Some(Outcome::Answered(Response::Get(answer))) => list(answer.items.iter().map(item)),
            Some(Outcome::Answered(Response::Scan(messages))) => {
                list(messages.iter().flat_map(|message| &message.entries).map(|entry| item(&entry.item)))
            }
            Some(outcome) => self.names.outcome(&self.shown.culprit.request, outcome).join(", "),
            None => "no answer".to_owned(),
        }
    }

    fn version(&self, key: &[u8], version: i64) -> String {
        let (namespace, id) = self.shown.culprit.object().unwrap_or_default();
        self.names.version(namespace, id, key, version)
    }

    fn known_version(&self, key: &[u8], version: i64) -> Option<String> {
        let name = self.version(key, version);
        let rank = name.strip_prefix('v')?;
        rank.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
    }
}

fn token(token: i64) -> String {
    if token == 0 { String::new() } else { format!(" token {token}") }
}

fn list(parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<_> = parts.into_iter().collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}
