//! The fast path: unconditional Puts, which need no read first. With reserved versions, the transaction is one statement;
//! otherwise it is one multi-statement string, which draws versions. Either way, the connection's thread is called once.

use std::sync::Arc;
use std::time::Duration;

use prism_contract::Timestamp;
use prism_contract::keyvalue::{NewItem, Put, PutResult};
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::reserved_versions::{Drawn, Held, ReservedVersions};
use super::sql;
use crate::keyvalue::{Answers, Request, subtractable_micros};
use crate::sqlite::sized::{MAX_ROWS, SIZES, size_index};

/// The statements, by size.
pub(in crate::sqlite) struct Statements {
    reserved: [Arc<str>; SIZES.len()],
    /// Also by whether they begin and end the transaction.
    drawing: [[Arc<str>; 4]; SIZES.len()],
}

impl Statements {
    /// The statements for a store with this retention of tombstones.
    pub(in crate::sqlite) fn new(retention: Duration) -> Self {
        let retention = subtractable_micros(retention);
        Self {
            reserved: SIZES.map(|size| Arc::from(sql::put_reserved(size, retention))),
            drawing: SIZES.map(|size| {
                let puts = sql::put_drawing(size, retention);
                [("", ""), ("", "; COMMIT"), ("BEGIN IMMEDIATE; ", ""), ("BEGIN IMMEDIATE; ", "; COMMIT")]
                    .map(|(begin, end)| Arc::from(format!("{begin}{puts}{end}")))
            }),
        }
    }

    fn reserved(&self, rows: usize) -> Arc<str> {
        Arc::clone(&self.reserved[size_index(rows)])
    }

    fn drawing(&self, rows: usize, begins: bool, ends: bool) -> Arc<str> {
        Arc::clone(&self.drawing[size_index(rows)][2 * usize::from(begins) + usize::from(ends)])
    }
}

type Query = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

/// Unconditional Puts.
pub(in crate::sqlite) struct Unconditional<'a> {
    puts: Vec<&'a Put>,
    /// Their items, in the order of writing, each with its Put.
    items: Vec<(&'a Put, &'a NewItem)>,
}

impl<'a> Unconditional<'a> {
    /// `requests`, if they are Puts without preconditions and without a token, so that each item is written, whatever row
    /// exists (TOK-1).
    pub(in crate::sqlite) fn of(requests: &[Request<'a>]) -> Option<Self> {
        let mut unconditional =
            Self { puts: Vec::with_capacity(requests.len()), items: Vec::with_capacity(requests.len()) };
        for request in requests {
            match *request {
                Request::Put(put) if put.token == 0 && put.preconditions.is_empty() => {
                    unconditional.puts.push(put);
                    unconditional.items.extend(put.items.iter().map(|item| (put, item)));
                }
                Request::Put(_) | Request::Delete(_) => return None,
            }
        }
        (!unconditional.items.is_empty()).then_some(unconditional)
    }

    /// Begins, writes and commits; returns an answer for each write. After an error the transaction may still be open.
    pub(in crate::sqlite) async fn commit(
        &self,
        connection: &mut SqliteConnection,
        statements: &Statements,
        reserved_versions: &mut ReservedVersions,
    ) -> Result<Answers, sqlx::Error> {
        let versions = match self.commit_reserved(connection, statements, reserved_versions).await? {
            Some(versions) => versions,
            None => self.commit_drawing(connection, statements, reserved_versions).await?,
        };
        let mut results = versions.into_iter().map(|version| PutResult { applied: true, version });
        let answers = self.puts.iter().map(|put| Ok(results.by_ref().take(put.items.len()).collect()));
        Ok(Answers { puts: answers.collect(), deletes: Vec::new() })
    }

    /// Writes with reserved versions, in one statement with an implicit transaction. `None`: there are too few, or another
    /// process has drawn since, and nothing was written.
    async fn commit_reserved(
        &self,
        connection: &mut SqliteConnection,
        statements: &Statements,
        reserved_versions: &mut ReservedVersions,
    ) -> Result<Option<Vec<i64>>, sqlx::Error> {
        let count = count(&self.items);
        let Some(Held { before, last }) =
            reserved_versions.with(count).filter(|_| self.items.len() <= MAX_ROWS)
        else {
            return Ok(None);
        };
        reserved_versions.take_out();
        let statement = statements.reserved(self.items.len());
        let query = bind(sqlx::query(AssertSqlSafe(statement)).bind(before).bind(last), &self.items);
        if query.execute(connection).await?.rows_affected() == 0 {
            return Ok(None);
        }
        reserved_versions.put_back(Drawn { given: count, before: before + count, last });
        Ok(Some((before + 1..=before + count).collect()))
    }

    /// Writes with reserved and newly drawn versions, and draws some more in advance.
    async fn commit_drawing(
        &self,
        connection: &mut SqliteConnection,
        statements: &Statements,
        reserved_versions: &mut ReservedVersions,
    ) -> Result<Vec<i64>, sqlx::Error> {
        let mut held = reserved_versions.left();
        reserved_versions.take_out();
        let mut versions = Vec::with_capacity(self.items.len());
        let mut left = (0, 0);
        let mut chunks = self.items.chunks(MAX_ROWS).peekable();
        while let Some(chunk) = chunks.next() {
            let ends = chunks.peek().is_none();
            let statement = statements.drawing(chunk.len(), versions.is_empty(), ends);
            let count = count(chunk);
            let drawn = if ends { count + reserved_versions.ahead() } else { count };
            let held = held.take();
            let query = sqlx::query(AssertSqlSafe(statement))
                .bind(drawn)
                .bind(held.map(|held| held.last))
                .bind(held.map(|held| held.before));
            let query = bind(query, chunk);
            // fetch_all, though there is one row: fetch_one would stop the statements at that row, before they commit.
            let rows = query.fetch_all(&mut *connection).await?;
            let last: i64 = rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)?;
            let before = last - drawn;
            versions.extend(before + 1..=before + count);
            left = (before + count, last);
        }
        let (before, last) = left;
        reserved_versions.put_back(Drawn { given: count(&self.items), before, last });
        Ok(versions)
    }
}

/// Binds items, eight parameters per item.
fn bind(query: Query, items: &[(&Put, &NewItem)]) -> Query {
    items.iter().fold(query, |query, (put, item)| {
        query
            .bind(put.namespace.as_str().as_bytes())
            .bind(put.id.as_str().as_bytes())
            .bind(item.key.as_bytes())
            .bind(item.content_type.as_str())
            .bind(item.compression)
            .bind(put.now.as_micros())
            .bind(put.expires_at.map(Timestamp::as_micros))
            .bind(item.value.as_ref())
    })
}

/// Number of versions that items need.
fn count(items: &[(&Put, &NewItem)]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}
