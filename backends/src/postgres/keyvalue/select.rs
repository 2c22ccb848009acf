//! Reading a page: one SELECT, which is one moment (LIN-3).

use std::sync::Arc;

use prism_contract::keyvalue::{Entry, EntryPage, Get, Item, ItemPage, Scan, Selection};
use prism_contract::{Error, Namespace};
use sqlx::Row;
use sqlx::postgres::PgRow;
use tokio::sync::OwnedSemaphorePermit;

use super::decode;
use super::page_sql::{self, Of, PageShape, Values};
use crate::engine::{BatchReader, CorruptRow, Job, ReadOutcome, ReadPool, Right};
use crate::keyvalue::{BatchedRead, Filling, Fit, Keys, PagePlace, PageQuery, SpanOfGet};
use crate::postgres::Options;
use crate::postgres::engine::{Query, ReadSessions, Session, failed, translate};

/// The column of a span's number, after those of an item.
const NUMBER: usize = 9;

/// The column of whether a batched read's row is live.
const LIVE: usize = 10;

/// Up to this many rows are sent whole; where more may come, the statement itself stops at the page's bytes (SCAN-3).
const SENT_WHOLE: i64 = 16;

/// What reads of a store.
pub(in crate::postgres) struct Readers(ReadPool<ReadSessions, Get>);

impl Readers {
    /// On these sessions.
    pub(in crate::postgres) fn new(sessions: ReadSessions, options: &Options) -> Self {
        let (readers, waiting) = (options.readers, options.waiting_reads);
        Self(ReadPool::new(Arc::new(sessions), readers, waiting, options.read_wait))
    }

    /// A page of a record: read at once where it is the only read, and otherwise as part of a batched read if it can be.
    pub(in crate::postgres) async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        match self.0.batched(get).await? {
            ReadOutcome::Page(page) => Ok(page),
            ReadOutcome::Alone => self.get_alone(get).await,
        }
    }

    /// Waits for what is being read.
    pub(in crate::postgres) async fn close(&self) {
        self.0.close().await;
    }

    /// One page of a record (PAGE, ORD and PRED rules), by a separate statement.
    async fn get_alone(&self, get: &Get) -> Result<ItemPage, Error> {
        let Some(query) = PageQuery::get(get) else { return Ok(ItemPage::default()) };
        let (items, more) = self.page(&get.namespace, &query, decode::item, Item::weight).await?;
        Ok(ItemPage { items, more })
    }

    /// One page of a namespace, or of one record of it.
    pub(in crate::postgres) async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        let Some(query) = PageQuery::scan(scan) else { return Ok(EntryPage::default()) };
        let decode = |row: &PgRow| {
            let id = match &scan.id {
                Some(id) => id.clone(),
                None => decode::record_id(row)?,
            };
            Ok(Entry { id, item: decode::item(row)? })
        };
        let (entries, more) = self.page(&scan.namespace, &query, decode, Entry::weight).await?;
        Ok(EntryPage { entries, more })
    }

    /// Fills a page; answers what is on it and whether there is more.
    async fn page<T>(
        &self,
        namespace: &Namespace,
        query: &PageQuery<'_>,
        decode: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
        weigh: impl Fn(&T) -> usize,
    ) -> Result<(Vec<T>, bool), Error> {
        let rows = self.rows(namespace, || statement(query)).await?;
        let mut filling = Filling::new(query.selection.page);
        for row in &rows {
            let found = decode(row).map_err(translate)?;
            let weight = weigh(&found);
            if filling.offer(found, weight) == Fit::Full {
                return Ok((filling.into_taken(), true));
            }
        }
        Ok((filling.into_taken(), false))
    }

    /// The rows of a statement that reads; on another connection, if the first broke while it was idle.
    async fn rows(&self, namespace: &Namespace, statement: impl Fn() -> Query) -> Result<Vec<PgRow>, Error> {
        loop {
            let right = self.0.right(namespace).await?;
            let mut lease = self.0.source.lease(right).await.map_err(translate)?;
            match lease.connection()?.session.rows(statement()).await {
                Ok(rows) => {
                    lease.give_back();
                    return Ok(rows);
                }
                Err(error) => {
                    if !failed(lease, &error) {
                        return Err(translate(error));
                    }
                }
            }
        }
    }
}

impl BatchReader<Get> for ReadSessions {
    async fn read_batch(self: Arc<Self>, gets: Vec<Job<Get>>, right: OwnedSemaphorePermit) {
        let mut batch = BatchedRead::new(gets);
        let Ok(mut lease) = self.lease(Right::Permit(right)).await else { return batch.read_alone() };
        let Ok(read) = lease.connection() else { return batch.read_alone() };
        match read_for(&mut read.session, &mut batch).await {
            Ok(()) => {
                // First, so that the callers' next requests find a free connection.
                lease.give_back();
                batch.finish();
            }
            Err(error) => {
                failed(lease, &error);
                batch.read_alone();
            }
        }
    }
}

/// Reads for pending Gets, in one statement.
async fn read_for(session: &mut Session, batched_read: &mut BatchedRead) -> Result<(), sqlx::Error> {
    let query = sqlx::query(page_sql::batched_read())
        .bind(column(batched_read, |_, get| get.namespace.as_str().as_bytes()))
        .bind(column(batched_read, |_, get| get.id.as_str().as_bytes()))
        .bind(column(batched_read, |span, _| span.start.as_ref()))
        .bind(column(batched_read, |span, _| span.end.as_ref()))
        .bind(column(batched_read, |_, get| get.now.as_micros()));
    session
        .each(query, |row| {
            let number: i64 = row.try_get(NUMBER)?;
            let span = usize::try_from(number - 1).map_err(CorruptRow::because)?;
            if row.try_get(LIVE)? {
                batched_read.offer(span, decode::item(row).map_err(translate));
            } else {
                batched_read.leave_out(span);
            }
            Ok(())
        })
        .await
}

/// A column of what pending Gets ask for: a row for each span.
fn column<'a, T>(batched_read: &'a BatchedRead, of: impl Fn(&'a SpanOfGet, &'a Get) -> T) -> Vec<T> {
    batched_read.spans().map(|(span, get)| of(span, get)).collect()
}

/// How values are answered.
fn values(selection: &Selection, rows: i64) -> Values {
    if selection.keys_only {
        Values::None
    } else if rows <= SENT_WHOLE {
        Values::All
    } else {
        Values::Within
    }
}

/// The statement that reads a page.
fn statement(page: &PageQuery<'_>) -> Query {
    // No more rows than keys that were named.
    let rows = match (&page.keys, &page.place) {
        (Keys::Named(keys), PagePlace::Record(_)) => {
            page.rows().min(i64::try_from(keys.len()).unwrap_or(i64::MAX))
        }
        _ => page.rows(),
    };
    let (of, id, from) = match &page.place {
        PagePlace::Record(id) => (Of::Record, *id, None),
        PagePlace::Namespace { id, key } => (Of::Namespace, *id, Some(key)),
    };
    let keys = match &page.keys {
        Keys::Span(span) if span.end.is_some() => page_sql::Keys::Between,
        Keys::Span(_) => page_sql::Keys::From,
        Keys::Named(_) => page_sql::Keys::Named,
    };
    let values = values(page.selection, rows);
    let shape = PageShape { of, keys, reverse: page.is_reverse(), values };
    let query = sqlx::query(shape.text()).bind(page.namespace).bind(id).bind(page.now.as_micros()).bind(rows);
    let query = from.into_iter().fold(query, |query, key| query.bind(key.as_ref()));
    let query = match &page.keys {
        Keys::Span(span) => {
            let query = query.bind(span.start.as_ref());
            span.end.iter().fold(query, |query, end| query.bind(end.as_ref()))
        }
        Keys::Named(keys) => {
            let keys = keys.iter().map(|key| key.as_bytes());
            query.bind(if page.is_reverse() { keys.rev().collect::<Vec<_>>() } else { keys.collect() })
        }
    };
    match values {
        Values::Within => query.bind(i64::try_from(page.selection.page.bytes()).unwrap_or(i64::MAX)),
        Values::None | Values::All => query,
    }
}
