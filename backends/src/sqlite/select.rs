//! Reading a page: one SELECT, whose rows are taken until the page is full.

use std::ops::ControlFlow;

use futures::TryStreamExt;
use prism_contract::keyvalue::{Entry, EntryPage, Error, Get, Item, ItemPage, Scan, Selection};
use sqlx::Row;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use super::decode;
use super::error::translate;
use super::reader::{Lease, Readers};
use super::sql::{self, Of, PageShape};
use crate::ask::{Ask, Keys, Place};
use crate::damage::Damage;
use crate::page::{Filling, Fit};
use crate::ride::Ride;

type Query = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

impl Readers {
    /// One page of a record (PAGE, ORD and PRED rules), by a statement of its own.
    pub(super) async fn get_alone(&self, get: &Get) -> Result<ItemPage, Error> {
        let Some(ask) = Ask::get(get) else { return Ok(ItemPage::default()) };
        let (items, more) =
            self.fill(statement(&ask), &get.selection, |row| decode::item(row, 0), Item::weight).await?;
        Ok(ItemPage { items, more })
    }

    /// One page of a namespace, or of one record of it.
    pub(super) async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        let Some(ask) = Ask::scan(scan) else { return Ok(EntryPage::default()) };
        let decode = |row: &SqliteRow| {
            let id = match &scan.id {
                Some(id) => id.clone(),
                None => decode::record_id(row)?,
            };
            Ok(Entry { id, item: decode::item(row, 0)? })
        };
        let (entries, more) = self.fill(statement(&ask), &scan.selection, decode, Entry::weight).await?;
        Ok(EntryPage { entries, more })
    }

    /// Takes rows until the page is full; answers them and whether there are more.
    async fn fill<T>(
        &self,
        query: Query,
        selection: &Selection,
        decode: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
        weigh: impl Fn(&T) -> usize,
    ) -> Result<(Vec<T>, bool), Error> {
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

impl Lease {
    /// Reads for riders, in one statement.
    pub(super) async fn read(&mut self, ride: &mut Ride) -> Result<(), Error> {
        let seats = ride.seats();
        let mut query = sqlx::query(sql::ride(seats.len()));
        for (seat, get) in seats {
            query = query
                .bind(get.namespace.as_str().as_bytes())
                .bind(get.id.as_str().as_bytes())
                .bind(seat.start.as_ref())
                .bind(seat.end.as_ref())
                .bind(get.now.as_micros());
        }
        let mut rows = query.fetch(self.connection()?);
        while let Some(row) = rows.try_next().await.map_err(translate)? {
            let seat: i64 = row.try_get(0).map_err(translate)?;
            let seat = usize::try_from(seat).map_err(|error| translate(Damage::because(error)))?;
            ride.offer(seat, decode::item(&row, 1).map_err(translate));
        }
        Ok(())
    }
}

/// The statement that reads a page.
fn statement(ask: &Ask<'_>) -> Query {
    let (of, id, from) = match &ask.place {
        Place::Record(id) => (Of::Record, *id, None),
        Place::Namespace { id, key } => (Of::Namespace, *id, Some(key)),
    };
    let keys = match &ask.keys {
        Keys::Span(span) if span.end.is_some() => sql::Keys::Between,
        Keys::Span(_) => sql::Keys::From,
        Keys::Named(keys) => sql::Keys::named(keys.len()),
    };
    let shape = PageShape { of, keys, reverse: ask.is_reverse(), keys_only: ask.selection.keys_only };
    let query =
        sqlx::query(shape.text()).bind(ask.namespace).bind(id).bind(ask.now.as_micros()).bind(ask.rows());
    let query = from.into_iter().fold(query, |query, key| query.bind(key.as_ref()));
    match &ask.keys {
        Keys::Span(span) => {
            let query = query.bind(span.start.as_ref());
            span.end.iter().fold(query, |query, end| query.bind(end.as_ref()))
        }
        Keys::Named(keys) => keys.iter().fold(query, |query, key| query.bind(key.as_bytes())),
    }
}
