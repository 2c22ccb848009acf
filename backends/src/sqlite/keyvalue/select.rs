//! Reads pages, each by one SELECT, whose rows are read until the page is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::TryStreamExt;
use prism_contract::keyvalue::{Entry, EntryPage, Get, Item, ItemPage, Scan, Selection};
use prism_contract::{Error, Namespace};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, ValueRef};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use super::decode;
use super::sql::{self, PageShape, Values};
use crate::engine::{BatchReader, CorruptRow, Job, Lease, ReadOutcome, ReadPermit, ReadPool};
use crate::keyvalue::{BatchedRead, Fit, Keys, PageBuilder, PageQuery, Scope};
use crate::observe::Load;
use crate::sqlite::Options;
use crate::sqlite::engine::{Code, Connections, Reader, code, discard, statement_span, translate};

type Query = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

/// Up to this many rows are read without prefetch, which would not help.
const FEW: usize = 16;

/// Number of pages read without prefetch after a page with a large value.
const SLOW_PAGES: usize = 16;

/// The readers of a store.
pub(in crate::sqlite) struct Readers {
    pool: ReadPool<Connections, Get>,
    /// Remaining pages to read without prefetch.
    slow: AtomicUsize,
}

impl Readers {
    /// Readers with these connections.
    pub(in crate::sqlite) fn new(connections: Arc<Connections>, options: &Options) -> Self {
        let pool = ReadPool::new(connections, options.readers, options.waiting_reads, options.read_wait);
        Self { pool, slow: AtomicUsize::new(0) }
    }

    /// A page of a record: read at once if it is the only read, otherwise as part of a batched read if possible.
    pub(in crate::sqlite) async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        match self.pool.batched(get).await? {
            ReadOutcome::Page(page) => Ok(page),
            ReadOutcome::Alone => self.get_alone(get).await,
        }
    }

    /// Checks that the database answers a read.
    pub(in crate::sqlite) async fn check(&self) -> Result<(), Error> {
        self.pool.source.check().await
    }

    /// Adds the load of the connections and of the queues for them.
    pub(in crate::sqlite) fn load(&self, namespaces: usize, load: &mut Load) {
        self.pool.load(namespaces, load);
    }

    /// Waits for running and waiting reads, then closes every connection.
    pub(in crate::sqlite) async fn close(&self) {
        self.pool.source.close_checks();
        self.pool.close().await;
        self.pool.source.close().await;
    }

    /// Acquires a connection, with or without prefetch; sheds the request if too many wait, or if it waits too long.
    pub(in crate::sqlite) async fn acquire(
        &self,
        namespace: &Namespace,
        prefetch: bool,
    ) -> Result<Lease<Connections>, Error> {
        let permit = self.pool.permit(namespace).await?;
        self.pool.source.lease(permit, prefetch).await
    }

    /// Whether to read a page with prefetch: its values are probably small.
    fn is_prefetch_worthwhile(&self) -> bool {
        self.slow.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }

    /// One page of a record (PAGE, ORD and PRED rules), by a separate statement.
    async fn get_alone(&self, get: &Get) -> Result<ItemPage, Error> {
        let Some(query) = PageQuery::get(get) else { return Ok(ItemPage::default()) };
        let decode = |row: &SqliteRow| decode::item(row, 0);
        let (items, more) = self.fill(&get.namespace, &query, &get.selection, decode, Item::weight).await?;
        Ok(ItemPage { items, more })
    }

    /// One page of a namespace, or of one record of it.
    pub(in crate::sqlite) async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
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

    /// Reads rows until the page is full; returns them and whether there are more. Pages of many rows are read with
    /// prefetch; if a large value is found, the page is read again without it.
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
        let page = statement(query, values);
        let mut filled =
            fill(&mut lease, page, selection, &decode, &weigh).instrument(statement_span("read")).await;
        if let Ok(None) = filled {
            self.slow.store(SLOW_PAGES, Ordering::Relaxed);
            Connections::switch_to_full(&mut lease).await?;
            let page = statement(query, Values::All);
            filled =
                fill(&mut lease, page, selection, &decode, &weigh).instrument(statement_span("read")).await;
        }
        match filled {
            Ok(Some(Page { items, more, ended })) => {
                if ended {
                    lease.give_back();
                }
                Ok((items, more))
            }
            Ok(None) => Err(translate(CorruptRow::because("a value is NULL"))),
            Err(error) => {
                discard(lease);
                Err(error)
            }
        }
    }
}

/// The result of reading a page.
struct Page<T> {
    items: Vec<T>,
    more: bool,
    /// Whether the statement has ended. If the page was full by its bytes it has not, and dropping the lease interrupts it.
    ended: bool,
}

/// Reads a page; `None` if a large value was omitted.
async fn fill<T>(
    lease: &mut Lease<Connections>,
    query: Query,
    selection: &Selection,
    decode: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
    weigh: impl Fn(&T) -> usize,
) -> Result<Option<Page<T>>, Error> {
    let mut builder = PageBuilder::new(selection.page);
    let mut rows = query.fetch(lease.connection()?.connection());
    let mut count = 0;
    while let Some(row) = rows.try_next().await.map_err(translate)? {
        // The statement's LIMIT is one row past the page's, so at that row it has ended; the row's value is not needed.
        if count == selection.page.items() {
            return Ok(Some(Page { items: builder.into_items(), more: true, ended: true }));
        }
        if row.try_get_raw(decode::VALUE).map_err(translate)?.is_null() {
            return Ok(None);
        }
        let item = decode(&row).map_err(translate)?;
        let weight = weigh(&item);
        if builder.offer(item, weight) == Fit::Full {
            return Ok(Some(Page { items: builder.into_items(), more: true, ended: false }));
        }
        count += 1;
    }
    Ok(Some(Page { items: builder.into_items(), more: false, ended: true }))
}

/// Executes a batched read, by one statement; interrupted if it passes over many dead rows.
async fn read_for(reader: &mut Reader, batched_read: &mut BatchedRead) -> Result<(), sqlx::Error> {
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
    let mut rows = query.fetch(reader.bounded(count));
    while let Some(row) = rows.try_next().await? {
        let span: i64 = row.try_get(0)?;
        let span = usize::try_from(span).map_err(CorruptRow::because)?;
        batched_read.offer(span, decode::item(&row, 1).map_err(translate));
    }
    Ok(())
}

impl BatchReader<Get> for Connections {
    async fn read_batch(self: Arc<Self>, gets: Vec<Job<Get>>, permit: OwnedSemaphorePermit) {
        let mut batch = BatchedRead::new(gets);
        let Ok(mut lease) = self.lease(ReadPermit::Reserved(permit), true).await else {
            return batch.read_alone();
        };
        let Ok(reader) = lease.connection() else { return batch.read_alone() };
        match read_for(reader, &mut batch).instrument(statement_span("read")).await {
            Ok(()) => {
                // Returned first, so that the callers' next requests find a free connection.
                lease.give_back();
                batch.finish();
            }
            Err(error) if code(&error) == Some(Code::Interrupted) => read_one_by_one(lease, batch).await,
            Err(_) => {
                discard(lease);
                batch.read_alone();
            }
        }
    }
}

/// Continues an interrupted batched read. Gets with complete rows are answered; each of the others is read by a separate
/// statement with the same limit, and if that is interrupted too, alone, on a connection that its namespace waits for.
async fn read_one_by_one(mut lease: Lease<Connections>, batch: BatchedRead) {
    let mut left = batch.interrupted().into_iter();
    for mut batch in left.by_ref() {
        let Ok(reader) = lease.connection() else { return batch.read_alone() };
        match read_for(reader, &mut batch).instrument(statement_span("read")).await {
            Ok(()) => batch.finish(),
            Err(error) if code(&error) == Some(Code::Interrupted) => batch.read_alone(),
            Err(_) => {
                discard(lease);
                batch.read_alone();
                return left.for_each(BatchedRead::read_alone);
            }
        }
    }
    lease.give_back();
}

/// Maximum rows of a page.
fn most_rows(query: &PageQuery<'_>) -> usize {
    let named = match &query.keys {
        Keys::Span(_) => usize::MAX,
        Keys::Named(keys) => keys.len(),
    };
    named.min(query.selection.page.items())
}

/// The statement that reads a page.
fn statement(page: &PageQuery<'_>, values: Values) -> Query {
    let (scope, id, from) = match &page.scope {
        Scope::Record(id) => (sql::Scope::Record, *id, None),
        Scope::Namespace { id, key } => (sql::Scope::Namespace, *id, Some(key)),
    };
    let keys = match &page.keys {
        Keys::Span(span) if span.end.is_some() => sql::Keys::Between,
        Keys::Span(_) => sql::Keys::From,
        Keys::Named(keys) => sql::Keys::named(keys.len()),
    };
    let shape = PageShape { scope, keys, reverse: page.is_reverse(), values };
    let query = sqlx::query(shape.statement())
        .bind(page.namespace)
        .bind(id)
        .bind(page.now.as_micros())
        .bind(page.rows());
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
    use std::time::Duration;

    use futures::{StreamExt, pin_mut, poll};
    use prism_contract::keyvalue::{Predicate, RecordId};
    use prism_contract::{PageSize, Timestamp};
    use sqlx::AssertSqlSafe;
    use sqlx::sqlite::SqliteConnectOptions;
    use tempfile::NamedTempFile;
    use tokio::time::timeout;

    use super::*;
    use crate::sqlite::SCHEMA;
    use crate::sqlite::engine::{Files, number, open};

    fn namespace() -> Namespace {
        Namespace::new("n").unwrap()
    }

    /// Readers of an empty in-memory database.
    async fn idle(options: &Options) -> Readers {
        let file = NamedTempFile::new().unwrap();
        let files = Arc::new(Files::of(file.path()).unwrap());
        let memory = SqliteConnectOptions::new().in_memory(true);
        let connections = Connections::open(memory, SCHEMA.read, files).await.unwrap();
        // A connection opened later checks that the file exists.
        std::mem::forget(file);
        Readers::new(Arc::new(connections), options)
    }

    /// Readers of an empty file.
    async fn opened(options: &Options) -> Readers {
        Readers::new(open(options, &SCHEMA).await.unwrap().connections, options)
    }

    /// A statement that never ends and returns no row.
    const ENDLESS: &str =
        "WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT x FROM n WHERE x < 0";

    #[tokio::test]
    async fn reads_beyond_the_queue_length_are_shed() {
        let mut options = Options::new(Path::new("unused"));
        (options.readers, options.waiting_reads) = (1, 1);
        let readers = idle(&options).await;
        let served = readers.acquire(&namespace(), false).await.unwrap();
        let name = namespace();
        let waiting = readers.acquire(&name, false);
        pin_mut!(waiting);
        assert!(poll!(&mut waiting).is_pending());
        assert!(matches!(readers.acquire(&namespace(), false).await, Err(Error::ResourceExhausted(_))));
        served.give_back();
        waiting.await.unwrap().give_back();
    }

    #[tokio::test]
    async fn a_read_that_waits_too_long_is_shed() {
        let mut options = Options::new(Path::new("unused"));
        (options.readers, options.read_wait) = (1, Duration::ZERO);
        let readers = idle(&options).await;
        let served = readers.acquire(&namespace(), false).await.unwrap();
        assert!(matches!(readers.acquire(&namespace(), false).await, Err(Error::ResourceExhausted(_))));
        served.give_back();
        readers.acquire(&namespace(), false).await.unwrap().give_back();
    }

    #[tokio::test]
    async fn a_small_get_does_not_wait_for_a_connection_that_others_hold() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(folder.path().join("prism.db"));
        options.readers = 1;
        let readers = opened(&options).await;
        let held = readers.acquire(&namespace(), false).await.unwrap();
        let get = Get {
            namespace: namespace(),
            id: RecordId::new("r").unwrap(),
            predicate: Predicate::All,
            selection: Selection::default(),
            after: None,
            now: Timestamp::EPOCH,
        };
        assert_eq!(readers.get(&get).await.unwrap(), ItemPage::default());
        held.give_back();
    }

    #[tokio::test]
    async fn an_abandoned_read_is_interrupted_and_its_connection_serves_the_next() {
        let mut options = Options::new(Path::new("unused"));
        options.readers = 1;
        let readers = idle(&options).await;
        let mut lease = readers.acquire(&namespace(), false).await.unwrap();
        {
            let mut rows = sqlx::query(ENDLESS).fetch(lease.connection().unwrap().connection());
            assert!(poll!(rows.next()).is_pending());
        }
        drop(lease);
        let next = timeout(Duration::from_mins(1), readers.acquire(&namespace(), false)).await;
        let mut lease = next.expect("the statement was not interrupted").unwrap();
        assert_eq!(number(lease.connection().unwrap().connection(), "SELECT 1").await.unwrap(), 1);
        lease.give_back();
    }

    #[tokio::test]
    async fn a_batched_read_over_too_many_rows_is_interrupted_and_its_connection_is_usable() {
        let mut options = Options::new(Path::new("unused"));
        options.readers = 1;
        let readers = idle(&options).await;
        let mut lease = readers.acquire(&namespace(), false).await.unwrap();
        let read = sqlx::query(ENDLESS).fetch_optional(lease.connection().unwrap().bounded(64));
        let read = timeout(Duration::from_mins(1), read).await.expect("the statement was not interrupted");
        assert_eq!(read.err().and_then(|error| code(&error)), Some(Code::Interrupted));
        lease.give_back();
        let mut lease = readers.acquire(&namespace(), false).await.unwrap();
        assert_eq!(number(lease.connection().unwrap().connection(), "SELECT 1").await.unwrap(), 1);
        lease.give_back();
    }

    #[tokio::test]
    async fn the_check_waits_for_no_connection_that_others_hold() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(folder.path().join("prism.db"));
        (options.readers, options.read_wait) = (1, Duration::ZERO);
        let readers = opened(&options).await;
        let held = readers.acquire(&namespace(), false).await.unwrap();
        readers.check().await.unwrap();
        held.give_back();
        readers.close().await;
    }

    /// Readers of a record of 60 items, of which number 40 is large.
    async fn readers(path: &Path) -> Readers {
        let options = Options::new(path);
        let mut opened = open(&options, &SCHEMA).await.unwrap();
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
        Readers::new(opened.connections, &options)
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
    async fn a_large_value_on_a_page_but_not_past_it_disables_prefetch_for_the_next_pages() {
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
