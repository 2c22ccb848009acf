//! Batched reads: one statement reads the small pages of many Gets, while a lone Get is read at once by a statement for it alone.
//!
//! The statement reads the first [`ROWS`] rows of each span of each Get. A Get with more rows is read alone afterwards, because a
//! page is one moment (LIN-3). So is a Get that passes over many dead rows, which the others would wait for. A failure fails one
//! Get and not the others.

use bytes::Bytes;
use prism_contract::keyvalue::{Direction, Get, Item, ItemPage, Limits, Predicate};
use prism_contract::{Error, Namespace};

use super::page::{Filling, Fit};
use super::span::{Span, keys_beyond, successor};
use crate::engine::{Batchable, Job, ReadOutcome, Work};

/// Most rows that a span is answered with; one more tells that it is longer.
pub(crate) const ROWS: usize = 16;
/// Most spans that one statement reads.
pub(crate) const SPANS: usize = 64;
/// Most keys that a pending Get may name; each is a span of one row.
const KEYS: usize = 8;
const _: () = assert!(KEYS <= ROWS && KEYS <= SPANS);

impl Work for Get {
    type Answer = ReadOutcome<ItemPage>;

    fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}

impl Batchable for Get {
    type Page = ItemPage;

    const STATEMENT: usize = SPANS;

    /// It reads a few keys, or a span from its start on.
    fn is_batchable(&self) -> bool {
        let few = match &self.predicate {
            Predicate::Keys(keys) => keys.len() <= KEYS,
            Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => true,
        };
        few && !self.selection.keys_only && self.selection.direction == Direction::Forward
    }

    /// How many spans it reads.
    fn share(&self) -> usize {
        match &self.predicate {
            Predicate::Keys(keys) => keys.len(),
            Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => 1,
        }
    }
}

/// A span of one record that a statement reads.
pub(crate) struct SpanOfGet {
    /// The pending Get's number.
    pub(crate) get: usize,
    /// Inclusive.
    pub(crate) start: Bytes,
    /// Exclusive.
    pub(crate) end: Bytes,
}

/// A statement's pending Gets, and what has been read for each.
pub(crate) struct BatchedRead {
    spans: Vec<SpanOfGet>,
    gets: Vec<Progress>,
    /// The number of the pending Get that the last row was for.
    reached: usize,
}

struct Progress {
    get: Job<Get>,
    filling: Filling<Item>,
    rows: usize,
    state: State,
}

enum State {
    /// All that was read is on the page.
    Filling,
    /// The page is full, and there is more.
    Full,
    /// There is more than the statement reads.
    Long,
    Failed(Error),
}

impl BatchedRead {
    /// A statement for these.
    pub(crate) fn new(pending: Vec<Job<Get>>) -> Self {
        let mut wanted = Vec::with_capacity(pending.len());
        for (number, get) in pending.iter().enumerate() {
            wanted.extend(spans(&get.request).map(|(start, end)| SpanOfGet { get: number, start, end }));
        }
        let gets = pending.into_iter().map(|get| {
            let filling = Filling::new(get.request.selection.page);
            Progress { get, filling, rows: 0, state: State::Filling }
        });
        Self { spans: wanted, gets: gets.collect(), reached: 0 }
    }

    /// The spans that the statement reads, each with its request.
    pub(crate) fn spans(&self) -> impl ExactSizeIterator<Item = (&SpanOfGet, &Get)> {
        self.spans.iter().map(|span| (span, &self.gets[span.get].get.request))
    }

    /// A row of a span, in order; the rows of a Get's spans come span by span.
    pub(crate) fn offer(&mut self, number: usize, item: Result<Item, Error>) {
        let Some(get) = self.spans.get(number).map(|span| span.get) else { return };
        self.reached = get;
        let Some(progress) = self.gets.get_mut(get) else { return };
        if !matches!(progress.state, State::Filling) {
            return;
        }
        progress.rows += 1;
        progress.state = match item {
            Err(error) => State::Failed(error),
            Ok(_) if progress.rows > ROWS => State::Long,
            Ok(item) => {
                let weight = item.weight();
                match progress.filling.offer(item, weight) {
                    Fit::Taken => State::Filling,
                    Fit::Full => State::Full,
                }
            }
        };
    }

    /// A span has a dead row before its page is full, and more rows than the statement walks: it is read alone.
    #[cfg(feature = "postgres")]
    pub(crate) fn leave_out(&mut self, number: usize) {
        let Some(get) = self.spans.get(number).map(|span| span.get) else { return };
        let Some(progress) = self.gets.get_mut(get) else { return };
        if matches!(progress.state, State::Filling) {
            progress.state = State::Long;
        }
    }

    /// Answers every Get once the statement has ended.
    pub(crate) fn finish(self) {
        self.gets.into_iter().for_each(Progress::finish);
    }

    /// The statement was stopped. Answers those whose rows have all come: the rows of one come after all of those before it.
    /// The others are to be read from the beginning, each by one statement, because a page is one moment (LIN-3).
    #[cfg(feature = "sqlite")]
    pub(crate) fn interrupted(self) -> Vec<Self> {
        let mut left = Vec::new();
        for (number, progress) in self.gets.into_iter().enumerate() {
            if number < self.reached || !matches!(progress.state, State::Filling) {
                progress.finish();
            } else {
                left.push(Self::new(vec![progress.get]));
            }
        }
        left
    }

    /// The statement failed: each Get is read alone, so that it fails alone.
    pub(crate) fn read_alone(self) {
        self.gets.into_iter().for_each(|progress| alone(progress.get));
    }
}

impl Progress {
    fn finish(self) {
        let Self { get, filling, state, .. } = self;
        match state {
            State::Filling => finished(get, filling, false),
            State::Full => finished(get, filling, true),
            State::Failed(error) => get.answer(Err(error)),
            State::Long => alone(get),
        }
    }
}

fn finished(get: Job<Get>, filling: Filling<Item>, more: bool) {
    get.answer(Ok(ReadOutcome::Page(ItemPage { items: filling.into_taken(), more })));
}

fn alone(get: Job<Get>) {
    get.answer(Ok(ReadOutcome::Alone));
}

/// What lies above every key.
const ABOVE: [u8; Limits::V1.key_bytes as usize + 1] = [0xFF; Limits::V1.key_bytes as usize + 1];

/// The spans of a request that can be part of a batched read, in key order.
fn spans(get: &Get) -> impl Iterator<Item = (Bytes, Bytes)> {
    let (named, span) = match &get.predicate {
        Predicate::Keys(keys) => (Some(keys_beyond(keys, get.after.as_ref(), Direction::Forward)), None),
        predicate @ (Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_)) => {
            let Span { start, end } = Span::of(predicate, get.after.as_ref(), Direction::Forward);
            (None, Some((start, end.unwrap_or_else(|| Bytes::from_static(&ABOVE)))))
        }
    };
    let named = named.into_iter().flatten().map(|key| (key.clone().into_bytes(), successor(key)));
    named.chain(span)
}
