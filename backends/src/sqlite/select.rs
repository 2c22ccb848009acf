//! Reading a page: one SELECT, whose rows are taken until the page is full.

use futures::TryStreamExt;
use prism_contract::keyvalue::{Entry, EntryPage, Get, Item, ItemPage, Scan, Selection};
use prism_contract::{Error, Namespace};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, ValueRef};

use super::decode;
use super::error::translate;
use super::reader::{Lease, Readers};
use super::sql::{self, Of, PageShape, Values};
use crate::ask::{Ask, Keys, Place};
use crate::damage::Damage;
use crate::page::{Filling, Fit};
use crate::ride::Ride;

type Query = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

/// Up to this many rows are read with care: haste would gain nothing.
const FEW: usize = 16;

impl Readers {
    /// One page of a record (PAGE, ORD and PRED rules), by a statement of its own.
    pub(super) async fn get_alone(&self, get: &Get) -> Result<ItemPage, Error> {
        let Some(ask) = Ask::get(get) else { return Ok(ItemPage::default()) };
        let decode = |row: &SqliteRow| decode::item(row, 0);
        let (items, more) = self.fill(&get.namespace, &ask, &get.selection, decode, Item::weight).await?;
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
        let (entries, more) =
            self.fill(&scan.namespace, &ask, &scan.selection, decode, Entry::weight).await?;
        Ok(EntryPage { entries, more })
    }

    /// Takes rows until the page is full; answers them and whether there are more. Where many rows are asked for they come in
    /// haste, which a large value among them ends: then the page is read again with care.
    async fn fill<T>(
        &self,
        namespace: &Namespace,
        ask: &Ask<'_>,
        selection: &Selection,
        decode: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
        weigh: impl Fn(&T) -> usize,
    ) -> Result<(Vec<T>, bool), Error> {
        let values = match selection.keys_only {
            true => Values::None,
            false if most_rows(ask) > FEW && self.is_haste_worth_it() => Values::Small,
            false => Values::All,
        };
        let mut lease = self.lend(namespace, values != Values::All).await?;
        let mut filled = lease.fill(statement(ask, values), selection, &decode, &weigh).await;
        if let Ok(None) = filled {
            self.slow_down(&mut lease).await?;
            filled = lease.fill(statement(ask, Values::All), selection, &decode, &weigh).await;
        }
        match filled {
            Ok(Some(Page { taken, more, ended })) => {
                if ended {
                    lease.give_back();
                }
                Ok((taken, more))
            }
            Ok(None) => Err(translate(Damage::because("a value is NULL"))),
            Err(error) => {
                lease.discard();
                Err(error)
            }
        }
    }
}

/// A page as it was read.
struct Page<T> {
    taken: Vec<T>,
    more: bool,
    /// Whether the statement has ended. One whose page was full by its bytes is left behind, and the lease stops it.
    ended: bool,
}

impl Lease {
    /// Reads a page; `None` if a value was not brought.
    async fn fill<T>(
        &mut self,
        query: Query,
        selection: &Selection,
        decode: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
        weigh: impl Fn(&T) -> usize,
    ) -> Result<Option<Page<T>>, Error> {
        let mut filling = Filling::new(selection.page);
        let mut rows = query.fetch(self.connection()?);
        let mut count = 0;
        while let Some(row) = rows.try_next().await.map_err(translate)? {
            // The statement's own limit is one row past the page's, so at that row it has ended; its value is of no use.
            if count == selection.page.items() {
                return Ok(Some(Page { taken: filling.into_taken(), more: true, ended: true }));
            }
            if row.try_get_raw(decode::VALUE).map_err(translate)?.is_null() {
                return Ok(None);
            }
            let found = decode(&row).map_err(translate)?;
            let weight = weigh(&found);
            if filling.offer(found, weight) == Fit::Full {
                return Ok(Some(Page { taken: filling.into_taken(), more: true, ended: false }));
            }
            count += 1;
        }
        Ok(Some(Page { taken: filling.into_taken(), more: false, ended: true }))
    }

    /// Reads for riders, in one statement; interrupted if it passes over many dead rows.
    pub(super) async fn read(&mut self, ride: &mut Ride) -> Result<(), sqlx::Error> {
        let spans = ride.seats().len();
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
        let mut rows = query.fetch(self.bounded(spans)?);
        while let Some(row) = rows.try_next().await? {
            let seat: i64 = row.try_get(0)?;
            let seat = usize::try_from(seat).map_err(Damage::because)?;
            ride.offer(seat, decode::item(&row, 1).map_err(translate));
        }
        Ok(())
    }
}

/// How many rows a page has at most.
fn most_rows(ask: &Ask<'_>) -> usize {
    let named = match &ask.keys {
        Keys::Span(_) => usize::MAX,
        Keys::Named(keys) => keys.len(),
    };
    named.min(ask.selection.page.items())
}

/// The statement that reads a page.
fn statement(ask: &Ask<'_>, values: Values) -> Query {
    let (of, id, from) = match &ask.place {
        Place::Record(id) => (Of::Record, *id, None),
        Place::Namespace { id, key } => (Of::Namespace, *id, Some(key)),
    };
    let keys = match &ask.keys {
        Keys::Span(span) if span.end.is_some() => sql::Keys::Between,
        Keys::Span(_) => sql::Keys::From,
        Keys::Named(keys) => sql::Keys::named(keys.len()),
    };
    let shape = PageShape { of, keys, reverse: ask.is_reverse(), values };
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use prism_contract::keyvalue::{Predicate, RecordId};
    use prism_contract::{PageSize, Timestamp};
    use sqlx::AssertSqlSafe;

    use super::super::open::open;
    use super::*;
    use crate::sqlite::Options;

    /// Readers of a record of 60 items, of which the one numbered 40 is large.
    async fn readers(path: &Path) -> Readers {
        let mut opened = open(&Options::new(path)).await.unwrap();
        let rows = (0..60).map(|n| {
            let bytes = if n == 40 { sql::SMALL + 1 } else { 1 };
            format!(
                "(CAST('n' AS BLOB), CAST('r' AS BLOB), x'{n:02x}', '', 0, 1, 0, 0, 0, zeroblob({bytes}))"
            )
        });
        let insert = format!(
            "INSERT INTO items (namespace, id, key, content_type, compression, version, token, created_at, updated_at, value) \
             VALUES {}",
            rows.collect::<Vec<_>>().join(", ")
        );
        sqlx::query(AssertSqlSafe(insert)).execute(&mut opened.writer).await.unwrap();
        opened.readers
    }

    fn first(items: u32) -> Get {
        Get {
            namespace: Namespace::new("n").unwrap(),
            id: RecordId::new("r").unwrap(),
            predicate: Predicate::All,
            selection: Selection { page: PageSize::new(items, 0), ..Selection::default() },
            after: None,
            now: Timestamp::EPOCH,
        }
    }

    #[tokio::test]
    async fn a_large_value_on_a_page_and_not_past_it_slows_the_pages_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let readers = readers(&folder.path().join("prism.db")).await;
        assert_eq!(readers.get_alone(&first(40)).await.unwrap().items.len(), 40);
        assert!(readers.is_haste_worth_it());
        assert_eq!(readers.get_alone(&first(41)).await.unwrap().items.len(), 41);
        let slow = std::iter::repeat_with(|| readers.is_haste_worth_it()).take_while(|haste| !haste);
        assert_eq!(slow.take(100).count(), 16);
        readers.close().await;
    }
}
