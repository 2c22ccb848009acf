//! The fast path: Puts that need nothing read first. Their whole transaction is one text, so the connection's thread is asked
//! once, and not once for each of its statements.

use std::sync::Arc;
use std::time::Duration;

use prism_contract::keyvalue::{NewItem, Put, PutResult, Timestamp};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::sql::{self, MOST_ROWS, SIZES};
use crate::batch::{Write, Written, subtractable_micros};

/// The texts, by size and by whether a text begins the transaction and ends it.
pub(super) struct Texts([[Arc<str>; 4]; SIZES.len()]);

impl Texts {
    /// The texts for a store whose tombstones are kept for `retention`.
    pub(super) fn new(retention: Duration) -> Self {
        let retention = subtractable_micros(retention);
        Self(SIZES.map(|size| {
            let puts = sql::put_plain(size, retention);
            [("", ""), ("", "; COMMIT"), ("BEGIN IMMEDIATE; ", ""), ("BEGIN IMMEDIATE; ", "; COMMIT")]
                .map(|(begin, end)| Arc::from(format!("{begin}{puts}{end}")))
        }))
    }

    fn of(&self, rows: usize, begins: bool, ends: bool) -> Arc<str> {
        Arc::clone(&self.0[sql::with_room_for(rows)][2 * usize::from(begins) + usize::from(ends)])
    }
}

/// Puts that need nothing read first.
pub(super) struct Plain<'a> {
    puts: Vec<&'a Put>,
    /// Their items, in the order in which they are written, each with its Put.
    items: Vec<(&'a Put, &'a NewItem)>,
}

impl<'a> Plain<'a> {
    /// `writes`, if they are such Puts: without preconditions, and without a token, so that each of their items is written,
    /// whatever stood there (TOK-1).
    pub(super) fn of(writes: &[&'a Write]) -> Option<Self> {
        let mut plain =
            Self { puts: Vec::with_capacity(writes.len()), items: Vec::with_capacity(writes.len()) };
        for write in writes {
            match write {
                Write::Put(put) if put.token == 0 && put.preconditions.is_empty() => {
                    plain.puts.push(put);
                    plain.items.extend(put.items.iter().map(|item| (put, item)));
                }
                Write::Put(_) | Write::Delete(_) => return None,
            }
        }
        (!plain.items.is_empty()).then_some(plain)
    }

    /// Begins, writes and commits; an answer for each write. After an error the transaction may still be open.
    pub(super) async fn commit(
        &self,
        connection: &mut SqliteConnection,
        texts: &Texts,
    ) -> Result<Vec<Written>, sqlx::Error> {
        let mut results = Vec::with_capacity(self.items.len());
        let mut chunks = self.items.chunks(MOST_ROWS).peekable();
        while let Some(chunk) = chunks.next() {
            let text = texts.of(chunk.len(), results.is_empty(), chunks.peek().is_none());
            let count = i64::try_from(chunk.len()).unwrap_or(i64::MAX);
            let mut query = sqlx::query(AssertSqlSafe(text)).bind(count);
            for (put, item) in chunk {
                query = query
                    .bind(put.namespace.as_str().as_bytes())
                    .bind(put.id.as_str().as_bytes())
                    .bind(item.key.as_bytes())
                    .bind(item.content_type.as_str())
                    .bind(item.compression)
                    .bind(put.now.as_micros())
                    .bind(put.expires_at.map(Timestamp::as_micros))
                    .bind(item.value.as_ref());
            }
            // All rows, though there is one: whoever asks for one stops the text at it, before it commits.
            let rows = query.fetch_all(&mut *connection).await?;
            let highest: i64 = rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)?;
            results
                .extend((highest - count + 1..=highest).map(|version| PutResult { applied: true, version }));
        }
        let mut results = results.into_iter();
        let answers = self.puts.iter().map(|put| results.by_ref().take(put.items.len()).collect());
        Ok(answers.map(Written::Put).collect())
    }
}
