//! Reading a page: one SELECT, whose rows are taken until the page is full.

use std::ops::ControlFlow;

use futures::TryStreamExt;
use prism_contract::keyvalue::{
    Direction, Entry, EntryPage, Error, Get, Item, ItemPage, Key, Namespace, Position, Predicate, Scan,
    Selection, Timestamp,
};
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use super::decode;
use super::error::translate;
use super::reader::Readers;
use super::sql::{Keys, Of, PageShape};
use crate::page::{Filling, Fit};
use crate::span::{Span, keys_beyond, successor};

type Query = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

/// What every page's statement asks.
struct Page<'a> {
    namespace: &'a Namespace,
    predicate: &'a Predicate,
    selection: &'a Selection,
    now: Timestamp,
}

impl Readers {
    /// One page of a record (PAGE, ORD and PRED rules).
    pub(super) async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        let Get { namespace, id, predicate, selection, after, now } = get;
        let page = Page { namespace, predicate, selection, now: *now };
        let query = page.of_record(id.as_str(), after.as_ref());
        let (items, more) = self.fill(query, selection, decode::item, Item::weight).await?;
        Ok(ItemPage { items, more })
    }

    /// One page of a namespace, or of one record of it.
    pub(super) async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        let Scan { namespace, id, predicate, selection, after, now } = scan;
        let page = Page { namespace, predicate, selection, now: *now };
        let (entries, more) = if let Some(id) = id {
            let after = after.as_ref().filter(|after| after.id == *id).map(|after| &after.key);
            let query = page.of_record(id.as_str(), after);
            let decode = |row: &SqliteRow| Ok(Entry { id: id.clone(), item: decode::item(row)? });
            self.fill(query, selection, decode, Entry::weight).await?
        } else {
            let query = page.of_namespace(after.as_ref());
            let decode =
                |row: &SqliteRow| Ok(Entry { id: decode::record_id(row)?, item: decode::item(row)? });
            self.fill(Some(query), selection, decode, Entry::weight).await?
        };
        Ok(EntryPage { entries, more })
    }

    /// Takes rows until the page is full; answers them and whether there are more.
    async fn fill<T>(
        &self,
        query: Option<Query>,
        selection: &Selection,
        decode: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
        weigh: impl Fn(&T) -> usize,
    ) -> Result<(Vec<T>, bool), Error> {
        let Some(query) = query else { return Ok((Vec::new(), false)) };
        let mut lease = self.lend().await?;
        let mut filling = Filling::new(selection.page);
        let mut rows = query.fetch(lease.connection()?);
        let mut taken = 0;
        let ended = loop {
            match rows.try_next().await.and_then(|row| row.map(|row| decode(&row)).transpose()) {
                Ok(None) => break Ok(ControlFlow::Continue(())),
                Ok(Some(found)) => {
                    let weight = weigh(&found);
                    if filling.offer(found, weight) == Fit::Full {
                        break Ok(ControlFlow::Break(()));
                    }
                    taken += 1;
                }
                Err(error) => break Err(error),
            }
        };
        drop(rows);
        match ended {
            Ok(ControlFlow::Continue(())) => {
                lease.give_back();
                Ok((filling.into_taken(), false))
            }
            Ok(ControlFlow::Break(())) => {
                // The statement's own limit is one row past the page's, so at that row it has ended. A page that is full by
                // its bytes leaves a statement behind that the lease stops.
                if taken == selection.page.items() {
                    lease.give_back();
                }
                Ok((filling.into_taken(), true))
            }
            Err(error) => {
                lease.discard();
                Err(translate(error))
            }
        }
    }
}

impl Page<'_> {
    /// The statement for one record; `None` where no key is left to read.
    fn of_record(&self, id: &str, after: Option<&Key>) -> Option<Query> {
        let direction = self.selection.direction;
        match self.predicate {
            Predicate::Keys(keys) => {
                let keys: Vec<_> = keys_beyond(keys, after, direction).collect();
                if keys.is_empty() {
                    return None;
                }
                let query = self.start(Of::Record, Keys::named(keys.len()), id.as_bytes());
                Some(keys.into_iter().fold(query, |query, key| query.bind(key.as_bytes())))
            }
            Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => {
                let span = Span::of(self.predicate, after, direction);
                let query = self.start(Of::Record, keys_of(&span), id.as_bytes());
                Some(bind_span(query, span))
            }
        }
    }

    /// The statement for a namespace. Its keys are filtered record by record, so `after` cuts the position, not the keys.
    fn of_namespace(&self, after: Option<&Position>) -> Query {
        // Ids are UTF-8, which has no byte FF: this lies past the last of them.
        let (id, key): (&[u8], Vec<u8>) = match (after, self.selection.direction) {
            (Some(after), Direction::Forward) => (after.id.as_str().as_bytes(), successor(&after.key).into()),
            (Some(after), Direction::Reverse) => (after.id.as_str().as_bytes(), after.key.to_vec()),
            (None, Direction::Forward) => (&[], Vec::new()),
            (None, Direction::Reverse) => (&[0xFF], Vec::new()),
        };
        match self.predicate {
            Predicate::Keys(keys) => {
                let query = self.start(Of::Namespace, Keys::named(keys.len()), id).bind(key);
                keys.iter().fold(query, |query, key| query.bind(key.as_bytes()))
            }
            Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => {
                let span = Span::of(self.predicate, None, self.selection.direction);
                let query = self.start(Of::Namespace, keys_of(&span), id).bind(key);
                bind_span(query, span)
            }
        }
    }

    /// The statement of a shape, with the parameters that all shapes share. One row more than the page holds tells whether
    /// there is more.
    fn start(&self, of: Of, keys: Keys, id: &[u8]) -> Query {
        let Selection { page, keys_only, direction } = *self.selection;
        let reverse = direction == Direction::Reverse;
        let limit = i64::try_from(page.items()).unwrap_or(i64::MAX).saturating_add(1);
        sqlx::query(PageShape { of, keys, reverse, keys_only }.text())
            .bind(self.namespace.as_str().as_bytes())
            .bind(id)
            .bind(self.now.as_micros())
            .bind(limit)
    }
}

fn keys_of(span: &Span) -> Keys {
    if span.end.is_some() { Keys::Between } else { Keys::From }
}

fn bind_span(query: Query, span: Span) -> Query {
    let query = query.bind(Vec::from(span.start));
    match span.end {
        Some(end) => query.bind(Vec::from(end)),
        None => query,
    }
}
