//! Sequential specification of one record, against which histories are checked.
//!
//! Keys and values are numbers. The version of an unanswered write is unknown until a later answer shows it. No code is
//! shared with any backend.

use crate::core::linearizability::Spec;

/// Index of a key among the record's sorted keys.
pub(super) type Key = usize;

/// A key and a version; version 0: absent.
pub(super) type At = (Key, i64);

/// An operation with its answer.
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
    /// `more`: the answer has a continuation token.
    Read {
        keys: Vec<Key>,
        items: Vec<Observed>,
        more: bool,
    },
}

/// Answer of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    Done(T),
    /// The failed preconditions, with the current versions.
    Refused(Vec<At>),
    /// The write took effect, with an unknown answer.
    Unknown,
}

/// An item as returned by a read.
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

/// State of a record at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State(Vec<Cell>);

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Cell {
    live: Option<Live>,
    /// Highest token seen (TOK-1, TOK-4).
    token: i64,
    /// Lower bound of the key's highest version: the highest known one, raised by one per write of unknown version.
    version_floor: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Live {
    value: u32,
    /// 0: unknown so far.
    version: i64,
}

impl State {
    /// An empty record with this number of keys.
    pub(super) fn empty(keys: usize) -> Self {
        Self(vec![Cell::default(); keys])
    }

    /// State after `call`; `None`: its answer is impossible in this state.
    fn after(&self, call: &Call) -> Option<Self> {
        let mut next = self.clone();
        let possible = match call {
            Call::Read { keys, items, more } => next.accepts_read(keys, items, *more),
            Call::Put { conditions, answer: Answer::Refused(failed), .. }
            | Call::Delete { conditions, answer: Answer::Refused(failed), .. } => {
                next.accepts_refusal(conditions, failed)
            }
            Call::Put { items, token, conditions, answer: Answer::Done(results) } => {
                next.preconditions_hold(conditions) && next.apply_put(items, *token, results)
            }
            Call::Put { items, token, conditions, answer: Answer::Unknown } => {
                next.preconditions_hold(conditions) && next.apply_unknown_put(items, *token)
            }
            Call::Delete { keys, named, token, conditions, answer: Answer::Done(count) } => {
                next.preconditions_hold(conditions) && next.apply_delete(keys, *named, *token) == *count
            }
            Call::Delete { keys, named, token, conditions, answer: Answer::Unknown } => {
                next.preconditions_hold(conditions) && {
                    next.apply_delete(keys, *named, *token);
                    true
                }
            }
        };
        possible.then_some(next)
    }

    /// The answer of `call` in this state; [`Answer::Unknown`] for a Put, as its new versions are the store's choice.
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
                    Answer::Done(self.clone().apply_delete(keys, *named, *token))
                } else {
                    Answer::Refused(failed)
                };
            }
        }
        call
    }

    /// Lowest version that the next write of `key` may get.
    pub(super) fn next_version(&self, key: Key) -> i64 {
        self.0[key].version_floor.saturating_add(1)
    }

    fn failures(&self, conditions: &[At]) -> Vec<At> {
        let current = |key: Key| self.0[key].live.map_or(0, |live| live.version);
        let compared = conditions.iter().map(|&(key, version)| (key, version, current(key)));
        compared
            .filter(|(_, version, current)| version != current)
            .map(|(key, _, current)| (key, current))
            .collect()
    }

    fn accepts_read(&mut self, keys: &[Key], items: &[Observed], more: bool) -> bool {
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

    fn preconditions_hold(&mut self, conditions: &[At]) -> bool {
        conditions.iter().all(|&(key, version)| self.0[key].is_at(version))
    }

    /// Whether `failed` lists exactly the failing conditions, with their current versions (COND-1).
    fn accepts_refusal(&mut self, conditions: &[At], failed: &[At]) -> bool {
        let mut listed = 0;
        let all =
            conditions.iter().all(|&(key, version)| match failed.iter().find(|(failed, _)| *failed == key) {
                Some(&(_, current)) => {
                    listed += 1;
                    current != version && self.0[key].is_at(current)
                }
                None => self.0[key].is_at(version),
            });
        all && listed == failed.len() && listed > 0
    }

    fn apply_put(&mut self, items: &[(Key, u32)], token: i64, results: &[(bool, i64)]) -> bool {
        results.len() == items.len()
            && items.iter().zip(results).all(|(&(key, value), &(applied, version))| {
                let cell = &mut self.0[key];
                if cell.supersedes(token) {
                    return !applied && cell.is_at(version);
                }
                // Versions of a key only ever rise (VER-1, VER-2).
                let risen = applied && version > cell.version_floor;
                cell.set(value, version, token);
                cell.version_floor = version;
                risen
            })
    }

    fn apply_unknown_put(&mut self, items: &[(Key, u32)], token: i64) -> bool {
        for &(key, value) in items {
            let cell = &mut self.0[key];
            if !cell.supersedes(token) {
                cell.set(value, 0, token);
                cell.version_floor += 1;
            }
        }
        true
    }

    fn apply_delete(&mut self, keys: &[Key], named: bool, token: i64) -> u64 {
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

    /// Whether the live item has this version (0: no live item); fills in an unknown version.
    fn is_at(&mut self, version: i64) -> bool {
        match &mut self.live {
            None => version == 0,
            Some(live) if live.version == 0 && version >= self.version_floor && version > 0 => {
                live.version = version;
                self.version_floor = version;
                true
            }
            Some(live) => version != 0 && live.version == version,
        }
    }
}
