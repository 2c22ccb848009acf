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
use crate::batched_read::BatchedRead;
use crate::corrupt_row::CorruptRow;
use crate::page::{Filling, Fit};
use crate::page_query::{Keys, PageQuery, Place};

type Query = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

/// Up to this many rows are read without prefetch, which would gain nothing.
const FEW: usize = 16;

impl Readers {
    /// One page of a record (PAGE, ORD and PRED rules), by a separate statement.
    pub(super) async fn get_alone(&self, get: &Get) -> Result<ItemPage, Error> {
        let Some(query) = PageQuery::get(get) else { return Ok(ItemPage::default()) };
        let decode = |row: &SqliteRow| decode::item(row, 0);
        let (items, more) = self.fill(&get.namespace, &query, &get.selection, decode, Item::weight).await?;
        Ok(ItemPage { items, more })
    }

    /// One page of a namespace, or of one record of it.
    pub(super) async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        let Some(query) = PageQuery::scan(scan) else { return Ok(EntryPage::default()) };
        let decode = |row: &SqliteRow| {
            let id = match &scan.id {
                Some(id) => id.clone(),
                None => decode::record_id(row)?,
            };
            Ok(Entry { id, item: decode::item(row, 0)? })
        };
        let (entries, more) =
            self.fill(&scan.namespace, &query, &scan.selection, decode, Entry::weight).await?;
        Ok(EntryPage { entries, more })
    }

    /// Takes rows until the page is full; answers them and whether there are more. Where many rows are asked for they come in
    /// prefetch, which a large value among them ends: then the page is read again without it.
    async fn fill<T>(
        &self,
        namespace: &Namespace,
        query: &PageQuery<'_>,
        selection: &Selection,
        decode: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
        weigh: impl Fn(&T) -> usize,
    ) -> Result<(Vec<T>, bool), Error> {
        let values = match selection.keys_only {
            true => Values::None,
            false if most_rows(query) > FEW && self.is_prefetch_worthwhile() => Values::Small,
            false => Values::All,
        };
        let mut lease = self.acquire(namespace, values != Values::All).await?;
        let mut filled = lease.fill(statement(query, values), selection, &decode, &weigh).await;
        if let Ok(None) = filled {
            self.slow_down(&mut lease).await?;
            filled = lease.fill(statement(query, Values::All), selection, &decode, &weigh).await;
        }
        match filled {
            Ok(Some(Page { taken, more, ended })) => {
                if ended {
                    lease.give_back();
                }
                Ok((taken, more))
            }
            Ok(None) => Err(translate(CorruptRow::because("a value is NULL"))),
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

    /// Reads for pending Gets, in one statement; interrupted if it passes over many dead rows.
    pub(super) async fn read(&mut self, batched_read: &mut BatchedRead) -> Result<(), sqlx::Error> {
        let spans = batched_read.spans();
        let count = spans.len();
        let mut query = sqlx::query(sql::batched_read(count));
        for (span, get) in spans {
            query = query
                .bind(get.namespace.as_str().as_bytes())
                .bind(get.id.as_str().as_bytes())
                .bind(span.start.as_ref())
                .bind(span.end.as_ref())
                .bind(get.now.as_micros());
        }
        let mut rows = query.fetch(self.bounded(count)?);
        while let Some(row) = rows.try_next().await? {
            let span: i64 = row.try_get(0)?;
            let span = usize::try_from(span).map_err(CorruptRow::because)?;
            batched_read.offer(span, decode::item(&row, 1).map_err(translate));
        }
        Ok(())
    }
}

/// How many rows a page has at most.
fn most_rows(query: &PageQuery<'_>) -> usize {
    let named = match &query.keys {
        Keys::Span(_) => usize::MAX,
        Keys::Named(keys) => keys.len(),
    };
    named.min(query.selection.page.items())
}

/// The statement that reads a page.
fn statement(page: &PageQuery<'_>, values: Values) -> Query {
    let (of, id, from) = match &page.place {
        Place::Record(id) => (Of::Record, *id, None),
        Place::Namespace { id, key } => (Of::Namespace, *id, Some(key)),
    };
    let keys = match &page.keys {
        Keys::Span(span) if span.end.is_some() => sql::Keys::Between,
        Keys::Span(_) => sql::Keys::From,
        Keys::Named(keys) => sql::Keys::named(keys.len()),
    };
    let shape = PageShape { of, keys, reverse: page.is_reverse(), values };
    let query =
        sqlx::query(shape.text()).bind(page.namespace).bind(id).bind(page.now.as_micros()).bind(page.rows());
    let query = from.into_iter().fold(query, |query, key| query.bind(key.as_ref()));
    match &page.keys {
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
        assert!(readers.is_prefetch_worthwhile());
        assert_eq!(readers.get_alone(&first(41)).await.unwrap().items.len(), 41);
        let slow =
            std::iter::repeat_with(|| readers.is_prefetch_worthwhile()).take_while(|prefetch| !prefetch);
        assert_eq!(slow.take(100).count(), 16);
        readers.close().await;
    }
}
