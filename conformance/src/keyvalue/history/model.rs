//! What one record may answer, operation by operation: the specification that histories are held against.
//!
//! Keys and values are numbers here, and what a write without an answer made of a version is not known until an answer
//! shows it. Shares no code with any backend.

use crate::core::linearizability::Spec;

/// A key, by its rank among the record's keys.
pub(super) type Key = usize;

/// A key and a version; version 0: absent.
pub(super) type At = (Key, i64);

/// An operation together with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    Put {
        items: Vec<(Key, u32)>,
        token: i64,
        conditions: Vec<At>,
        answer: Answer<Vec<(bool, i64)>>,
    },
    Delete {
        keys: Vec<Key>,
        named: bool,
        token: i64,
        conditions: Vec<At>,
        answer: Answer<u64>,
    },
    /// `more`: the answer ends before the record does.
    Read {
        keys: Vec<Key>,
        items: Vec<Observed>,
        more: bool,
    },
}

/// What a write answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    Done(T),
    /// The preconditions that did not hold, with the current versions.
    Refused(Vec<At>),
    /// It took effect; what it answered is not known.
    Unknown,
}

/// An item as a read saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    pub key: Key,
    pub value: u32,
    pub version: i64,
    pub token: i64,
}

/// The specification of one record.
pub struct Record;

impl Spec for Record {
    type State = State;
    type Op = Call;

    fn step(state: &State, call: &Call) -> Option<State> {
        state.after(call)
    }

    fn answer(state: &State, call: &Call) -> Call {
        state.answer(call)
    }

    fn is_open(call: &Call) -> bool {
        match call {
            Call::Read { items, .. } => items.iter().any(|seen| seen.version == 0),
            Call::Put { .. } | Call::Delete { .. } => false,
        }
    }
}

/// A record at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State(Vec<Cell>);

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Cell {
    live: Option<Live>,
    /// Highest token seen (TOK-1, TOK-4).
    token: i64,
    /// No version of this key so far was above this one, as far as is known; an unknown one is not below it.
    least: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Live {
    value: u32,
    /// 0: not known yet.
    version: i64,
}

impl State {
    /// A record without items, with room for so many keys.
    pub(super) fn empty(keys: usize) -> Self {
        Self(vec![Cell::default(); keys])
    }

    /// The record after `call`; `None`: at this moment the call cannot have answered what it did.
    fn after(&self, call: &Call) -> Option<Self> {
        let mut next = self.clone();
        let explained = match call {
            Call::Read { keys, items, more } => next.shows(keys, items, *more),
            Call::Put { conditions, answer: Answer::Refused(failed), .. }
            | Call::Delete { conditions, answer: Answer::Refused(failed), .. } => {
                next.refuses(conditions, failed)
            }
            Call::Put { items, token, conditions, answer: Answer::Done(results) } => {
                next.allows(conditions) && next.puts(items, *token, results)
            }
            Call::Put { items, token, conditions, answer: Answer::Unknown } => {
                next.allows(conditions) && next.puts_unseen(items, *token)
            }
            Call::Delete { keys, named, token, conditions, answer: Answer::Done(count) } => {
                next.allows(conditions) && next.deletes(keys, *named, *token) == *count
            }
            Call::Delete { keys, named, token, conditions, answer: Answer::Unknown } => {
                next.allows(conditions) && {
                    next.deletes(keys, *named, *token);
                    true
                }
            }
        };
        explained.then_some(next)
    }

    /// What `call` would answer at this moment. A Put's new versions are the store's to choose: its answer is
    /// [`Answer::Unknown`].
    fn answer(&self, call: &Call) -> Call {
        let mut call = call.clone();
        match &mut call {
            Call::Read { keys, items, .. } => {
                let seen = |key: &Key| {
                    let Cell { live, token, .. } = &self.0[*key];
                    live.map(|Live { value, version }| Observed { key: *key, value, version, token: *token })
                };
                *items = keys.iter().filter_map(seen).collect();
            }
            Call::Put { conditions, answer, .. } => {
                let failed = self.failures(conditions);
                *answer = if failed.is_empty() { Answer::Unknown } else { Answer::Refused(failed) };
            }
            Call::Delete { conditions, answer, keys, named, token } => {
                let failed = self.failures(conditions);
                *answer = if failed.is_empty() {
                    Answer::Done(self.clone().deletes(keys, *named, *token))
                } else {
                    Answer::Refused(failed)
                };
            }
        }
        call
    }

    /// The lowest version that a write of `key` may get.
    pub(super) fn next_version(&self, key: Key) -> i64 {
        self.0[key].least.saturating_add(1)
    }

    fn failures(&self, conditions: &[At]) -> Vec<At> {
        let current = |key: Key| self.0[key].live.map_or(0, |live| live.version);
        let said = conditions.iter().map(|&(key, version)| (key, version, current(key)));
        said.filter(|(_, version, current)| version != current)
            .map(|(key, _, current)| (key, current))
            .collect()
    }

    fn shows(&mut self, keys: &[Key], items: &[Observed], more: bool) -> bool {
        let mut items = items.iter();
        for &key in keys {
            if more && items.len() == 0 {
                return true;
            }
            let cell = &mut self.0[key];
            let Some(live) = cell.live else { continue };
            let same =
                |seen: &Observed| seen.key == key && seen.value == live.value && seen.token == cell.token;
            let Some(seen) = items.next().filter(|seen| same(seen)) else { return false };
            if seen.version == 0 || !cell.is_at(seen.version) {
                return false;
            }
        }
        items.len() == 0
    }

    fn allows(&mut self, conditions: &[At]) -> bool {
        conditions.iter().all(|&(key, version)| self.0[key].is_at(version))
    }

    /// All conditions that do not hold are named with their versions, and no other (COND-1).
    fn refuses(&mut self, conditions: &[At], failed: &[At]) -> bool {
        let mut named = 0;
        let all =
            conditions.iter().all(|&(key, version)| match failed.iter().find(|(failed, _)| *failed == key) {
                Some(&(_, current)) => {
                    named += 1;
                    current != version && self.0[key].is_at(current)
                }
                None => self.0[key].is_at(version),
            });
        all && named == failed.len() && named > 0
    }

    fn puts(&mut self, items: &[(Key, u32)], token: i64, results: &[(bool, i64)]) -> bool {
        results.len() == items.len()
            && items.iter().zip(results).all(|(&(key, value), &(applied, version))| {
                let cell = &mut self.0[key];
                if cell.supersedes(token) {
                    return !applied && cell.is_at(version);
                }
                // Versions of a key only ever rise (VER-1, VER-2).
                let risen = applied && version > cell.least;
                cell.set(value, version, token);
                cell.least = version;
                risen
            })
    }

    fn puts_unseen(&mut self, items: &[(Key, u32)], token: i64) -> bool {
        for &(key, value) in items {
            let cell = &mut self.0[key];
            if !cell.supersedes(token) {
                cell.set(value, 0, token);
                cell.least += 1;
            }
        }
        true
    }

    fn deletes(&mut self, keys: &[Key], named: bool, token: i64) -> u64 {
        let mut count = 0;
        for &key in keys {
            let cell = &mut self.0[key];
            let touches = cell.live.is_some() || named;
            if cell.supersedes(token) || !touches {
                continue;
            }
            count += u64::from(cell.live.take().is_some());
            cell.token = cell.token.max(token);
        }
        count
    }
}

impl Cell {
    fn supersedes(&self, token: i64) -> bool {
        token > 0 && token <= self.token
    }

    fn set(&mut self, value: u32, version: i64, token: i64) {
        self.live = Some(Live { value, version });
        self.token = self.token.max(token);
    }

    /// Whether the live item has this version (0: nothing is live); learns a version that was not known.
    fn is_at(&mut self, version: i64) -> bool {
        match &mut self.live {
            None => version == 0,
            Some(live) if live.version == 0 && version >= self.least && version > 0 => {
                live.version = version;
                self.least = version;
                true
            }
            Some(live) => version != 0 && live.version == version,
        }
    }
}
