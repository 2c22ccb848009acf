//! Batched reads: one statement reads the small pages of many Gets. A lone Get is read at once by a separate statement.
//!
//! The statement reads the first [`ROWS`] rows of each span of each Get. A Get with more rows is read alone afterwards,
//! because a page is one snapshot (LIN-3); so is a Get that passes over many dead rows, because it would delay the others.
//! An error fails its Get only.

use bytes::Bytes;
use prism_contract::keyvalue::{Direction, Get, Item, ItemPage, Limits, Predicate};
use prism_contract::{Error, Namespace};

use super::page::{Fit, PageBuilder};
use super::span::{Span, keys_beyond, successor};
use crate::engine::{Batchable, Job, ReadOutcome, Work};

/// Maximum rows returned per span; one more is read, which shows that the span is longer.
pub(crate) const ROWS: usize = 16;
/// Maximum spans per statement.
pub(crate) const SPANS: usize = 64;
/// Maximum keys of a batched Get; each is a span of one row.
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

    const CAPACITY: usize = SPANS;

    /// True for few keys, or a span read forward.
    fn is_batchable(&self) -> bool {
        let few = match &self.predicate {
            Predicate::Keys(keys) => keys.len() <= KEYS,
            Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => true,
        };
        few && !self.selection.keys_only && self.selection.direction == Direction::Forward
    }

    /// Number of spans.
    fn cost(&self) -> usize {
        match &self.predicate {
            Predicate::Keys(keys) => keys.len(),
            Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => 1,
        }
    }
}

/// A span of one record that a statement reads.
pub(crate) struct SpanOfGet {
    /// The index of the pending Get.
    pub(crate) get: usize,
    /// Inclusive.
    pub(crate) start: Bytes,
    /// Exclusive.
    pub(crate) end: Bytes,
}

/// The pending Gets of a statement, and the rows read for each.
pub(crate) struct BatchedRead {
    spans: Vec<SpanOfGet>,
    gets: Vec<Progress>,
    /// The index of the pending Get of the last row.
    reached: usize,
}

struct Progress {
    get: Job<Get>,
    builder: PageBuilder<Item>,
    rows: usize,
    state: State,
}

enum State {
    /// All rows so far are on the page.
    Filling,
    /// The page is full, and there is more.
    Full,
    /// There are more rows than the statement reads.
    Long,
    Failed(Error),
}

impl BatchedRead {
    /// A statement for these Gets.
    pub(crate) fn new(pending: Vec<Job<Get>>) -> Self {
        let mut spans_of_gets = Vec::with_capacity(pending.len());
        for (number, get) in pending.iter().enumerate() {
            spans_of_gets.extend(spans(&get.request).map(|(start, end)| SpanOfGet {
                get: number,
                start,
                end,
            }));
        }
        let gets = pending.into_iter().map(|get| {
            let builder = PageBuilder::new(get.request.selection.page);
            Progress { get, builder, rows: 0, state: State::Filling }
        });
        Self { spans: spans_of_gets, gets: gets.collect(), reached: 0 }
    }

    /// The spans of the statement, each with its request.
    pub(crate) fn spans(&self) -> impl ExactSizeIterator<Item = (&SpanOfGet, &Get)> {
        self.spans.iter().map(|span| (span, &self.gets[span.get].get.request))
    }

    /// Adds a row of a span. Rows come in order, span by span.
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
                match progress.builder.offer(item, weight) {
                    Fit::Added => State::Filling,
                    Fit::Full => State::Full,
                }
            }
        };
    }

    /// The span has a dead row before its page is full, and more rows than the statement scans: its Get is read alone.
    #[cfg(feature = "postgres")]
    pub(crate) fn mark_long(&mut self, number: usize) {
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

    /// The statement was interrupted. Answers the Gets whose rows are complete, those before the one reached. Returns the
    /// others, each to be read again from the start by a separate statement, because a page is one snapshot (LIN-3).
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
        let Self { get, builder, state, .. } = self;
        match state {
            State::Filling => answer(get, builder, false),
            State::Full => answer(get, builder, true),
            State::Failed(error) => get.answer(Err(error)),
            State::Long => alone(get),
        }
    }
}

fn answer(get: Job<Get>, builder: PageBuilder<Item>, more: bool) {
    get.answer(Ok(ReadOutcome::Page(ItemPage { items: builder.into_items(), more })));
}

fn alone(get: Job<Get>) {
    get.answer(Ok(ReadOutcome::Alone));
}

/// An upper bound of all keys.
const ABOVE: [u8; Limits::V1.key_bytes as usize + 1] = [0xFF; Limits::V1.key_bytes as usize + 1];

/// The spans of a batchable request, in key order.
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
