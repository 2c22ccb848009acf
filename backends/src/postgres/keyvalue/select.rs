//! Reads pages, each by one SELECT, which is one snapshot (LIN-3).

use std::sync::Arc;

use futures::future::BoxFuture;
use prism_contract::keyvalue::{Entry, EntryPage, Get, Item, ItemPage, Scan, Selection};
use prism_contract::{Error, Namespace};
use sqlx::Row;
use sqlx::postgres::PgRow;
use tokio::sync::OwnedSemaphorePermit;

use super::decode;
use super::page_sql::{self, PageShape, Values};
use crate::engine::{BatchReader, CorruptRow, Job, ReadOutcome, ReadPermit, ReadPool};
use crate::keyvalue::{BatchedRead, Fit, Keys, PageBuilder, PageQuery, Scope, SpanOfGet};
use crate::observe::Load;
use crate::postgres::Options;
use crate::postgres::engine::{Query, ReadSessions, Session, failed, translate};

/// The column of a span's number, after those of an item.
const NUMBER: usize = 9;

/// The column of whether a batched read's row is live.
const LIVE: usize = 10;

/// Up to this many rows, all values are sent; with more rows, the statement stops at the page's bytes (SCAN-3).
const SEND_ALL: i64 = 16;

/// The readers of a store.
pub(in crate::postgres) struct Readers(ReadPool<ReadSessions, Get>);

impl Readers {
    /// Readers with these sessions.
    pub(in crate::postgres) fn new(sessions: ReadSessions, options: &Options) -> Self {
        let (readers, waiting) = (options.readers, options.waiting_reads);
        Self(ReadPool::new(Arc::new(sessions), readers, waiting, options.read_wait))
    }

    /// A page of a record: read at once if it is the only read, otherwise as part of a batched read if possible.
    pub(in crate::postgres) async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        match self.0.batched(get).await? {
            ReadOutcome::Page(page) => Ok(page),
            ReadOutcome::Alone => self.get_alone(get).await,
        }
    }

    /// Adds the load of the connections and of the queues for them.
    pub(in crate::postgres) fn load(&self, namespaces: usize, load: &mut Load) {
        self.0.load(namespaces, load);
    }

    /// Waits for running and waiting reads to end.
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

    /// Reads a page; returns its items and whether there are more.
    async fn page<T>(
        &self,
        namespace: &Namespace,
        query: &PageQuery<'_>,
        decode: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
        weigh: impl Fn(&T) -> usize,
    ) -> Result<(Vec<T>, bool), Error> {
        let rows = self.rows(namespace, || statement(query)).await?;
        let mut builder = PageBuilder::new(query.selection.page);
        for row in &rows {
            let item = decode(row).map_err(translate)?;
            let weight = weigh(&item);
            if builder.offer(item, weight) == Fit::Full {
                return Ok((builder.into_items(), true));
            }
        }
        Ok((builder.into_items(), false))
    }

    /// The rows of a read statement.
    pub(in crate::postgres) async fn rows(
        &self,
        namespace: &Namespace,
        statement: impl Fn() -> Query + Sync,
    ) -> Result<Vec<PgRow>, Error> {
        self.read(namespace, |session| Box::pin(session.rows(statement()))).await
    }

    /// What `take` makes of the rows of a read statement, from `nothing`: each is taken as it arrives, while the database reads
    /// the next.
    pub(in crate::postgres) async fn each<T: Send + 'static>(
        &self,
        namespace: &Namespace,
        statement: impl Fn() -> Query + Sync,
        nothing: impl Fn() -> T + Sync,
        take: fn(&mut T, &PgRow) -> Result<(), sqlx::Error>,
    ) -> Result<T, Error> {
        self.read(namespace, |session| {
            let (query, mut taken) = (statement(), nothing());
            Box::pin(async move {
                session.each(query, |row| take(&mut taken, row)).await?;
                Ok(taken)
            })
        })
        .await
    }

    /// Reads; again on another connection if the first broke while idle.
    async fn read<T>(
        &self,
        namespace: &Namespace,
        read: impl for<'s> Fn(&'s mut Session) -> BoxFuture<'s, Result<T, sqlx::Error>>,
    ) -> Result<T, Error> {
        loop {
            let permit = self.0.permit(namespace).await?;
            let mut lease = self.0.source.lease(permit).await.map_err(translate)?;
            match read(&mut lease.connection()?.session).await {
                Ok(read) => {
                    lease.give_back();
                    return Ok(read);
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
    async fn read_batch(self: Arc<Self>, gets: Vec<Job<Get>>, permit: OwnedSemaphorePermit) {
        let mut batch = BatchedRead::new(gets);
        let Ok(mut lease) = self.lease(ReadPermit::Reserved(permit)).await else { return batch.read_alone() };
        let Ok(read) = lease.connection() else { return batch.read_alone() };
        match read_for(&mut read.session, &mut batch).await {
            Ok(()) => {
                // Returned first, so that the callers' next requests find a free connection.
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

/// Executes a batched read, by one statement.
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
                batched_read.mark_long(span);
            }
            Ok(())
        })
        .await
}

/// One column of a batched read's parameters: an element per span.
fn column<'a, T>(batched_read: &'a BatchedRead, of: impl Fn(&'a SpanOfGet, &'a Get) -> T) -> Vec<T> {
    batched_read.spans().map(|(span, get)| of(span, get)).collect()
}

/// The values that the statement returns.
fn values(selection: &Selection, rows: i64) -> Values {
    if selection.keys_only {
        Values::None
    } else if rows <= SEND_ALL {
        Values::All
    } else {
        Values::Within
    }
}

/// The statement that reads a page.
fn statement(page: &PageQuery<'_>) -> Query {
    // At most one row per named key.
    let rows = match (&page.keys, &page.scope) {
        (Keys::Named(keys), Scope::Record(_)) => {
            page.rows().min(i64::try_from(keys.len()).unwrap_or(i64::MAX))
        }
        _ => page.rows(),
    };
    let (scope, id, from) = match &page.scope {
        Scope::Record(id) => (page_sql::Scope::Record, *id, None),
        Scope::Namespace { id, key } => (page_sql::Scope::Namespace, *id, Some(key)),
    };
    let keys = match &page.keys {
        Keys::Span(span) if span.end.is_some() => page_sql::Keys::Between,
        Keys::Span(_) => page_sql::Keys::From,
        Keys::Named(_) => page_sql::Keys::Named,
    };
    let values = values(page.selection, rows);
    let shape = PageShape { scope, keys, reverse: page.is_reverse(), values };
    let query =
        sqlx::query(shape.statement()).bind(page.namespace).bind(id).bind(page.now.as_micros()).bind(rows);
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
    let size = page.selection.page;
    let number = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
    match values {
        Values::Within => query.bind(number(size.bytes())).bind(number(size.allowance())),
        Values::None | Values::All => query,
    }
}
