//! The writes of KeyValue in the writer's transactions: loads the rows of a group, decides, writes.

use std::time::Duration;

use prism_contract::keyvalue::Delete;
use prism_contract::keyvalue::row::Row as KeyRow;
use prism_contract::{Namespace, Swept, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::decode::{optional_timestamp, timestamp};
use super::reserved_versions::{Drawn, Held, ReservedVersions};
use super::unconditional::{Statements, Unconditional};
use super::{sql, sweep};
use crate::engine::{CorruptRow, Entry};
use crate::keyvalue::{Answers, Change, Decision, FullKey, Overlay, Pending, Request, Write, Writes};
use crate::sqlite::SCHEMA;
use crate::sqlite::engine::{Commit, Limit, Transaction, Watched, Written};
use crate::sqlite::sized::MAX_ROWS;

/// Approximate rows per page, for a Delete of adjacent rows.
const ROWS_PER_PAGE: u64 = 16;

/// The writes of a KeyValue store.
pub(in crate::sqlite) struct KeyValueCommit {
    retention: Duration,
    unconditional: Statements,
    reserved_versions: ReservedVersions,
    /// The versions drawn by the transaction that is about to be committed.
    drawn: Option<Drawn>,
}

impl KeyValueCommit {
    /// For a store with this retention of tokens, in whole microseconds.
    pub(in crate::sqlite) fn new(retention: Duration) -> Self {
        Self {
            retention,
            unconditional: Statements::new(retention),
            reserved_versions: ReservedVersions::default(),
            drawn: None,
        }
    }
}

impl Commit for KeyValueCommit {
    type Group = Writes;
    type Requests<'a> = Vec<Request<'a>>;
    type Answers = Answers;

    fn requests(group: &Writes) -> Vec<Request<'_>> {
        group.requests()
    }

    fn watched(group: &mut Writes) -> Watched<'_, Vec<Request<'_>>> {
        match group.0.first_mut() {
            Some(Write::Put(job)) => {
                let (put, gone) = job.watched();
                (vec![Request::Put(put)], Box::pin(gone))
            }
            Some(Write::Delete(job)) => {
                let (delete, gone) = job.watched();
                (vec![Request::Delete(delete)], Box::pin(gone))
            }
            None => (Vec::new(), Box::pin(std::future::ready(()))),
        }
    }

    async fn commit_at_once(
        &mut self,
        requests: &Self::Requests<'_>,
        connection: &mut SqliteConnection,
    ) -> Option<Result<Answers, sqlx::Error>> {
        let unconditional = Unconditional::of(requests)?;
        Some(unconditional.commit(connection, &self.unconditional, &mut self.reserved_versions).await)
    }

    /// Versions come from the reserved range first.
    async fn apply(
        &mut self,
        requests: &Self::Requests<'_>,
        transaction: &mut Transaction,
        (limit, time): (&Limit, Duration),
    ) -> Result<Answers, sqlx::Error> {
        let mut answers = Answers::default();
        let mut overlay = Overlay::new(requests, self.retention);
        let last = load(&mut transaction.connection, &mut overlay).await?;
        let before = self.reserved_versions.before(last);
        self.reserved_versions.take_out();
        overlay.continue_after(before);
        for number in 0..requests.len() {
            match overlay.decide(number) {
                Decision::Put(answer) => answers.puts.push(answer),
                Decision::Delete(answer) => answers.deletes.push(answer),
                Decision::ByStore(delete) => {
                    write(&mut transaction.connection, overlay.take_changes()).await?;
                    transaction.unbounded = number;
                    if !limit.is_armed() {
                        limit.arm(time);
                    }
                    answers.deletes.push(Ok(delete_span(&mut transaction.connection, delete).await?));
                    overlay.apply_store_delete(delete);
                }
            }
        }
        write(&mut transaction.connection, overlay.take_changes()).await?;
        let mut drawn =
            Drawn { given: overlay.last_version() - before, before: overlay.last_version(), last };
        if drawn.before > last {
            drawn.last = drawn.before + self.reserved_versions.ahead();
            let query = sqlx::query("UPDATE versions SET last = ?").bind(drawn.last);
            query.execute(&mut transaction.connection).await?;
        }
        self.drawn = Some(drawn);
        Ok(answers)
    }

    fn committed(&mut self) {
        if let Some(drawn) = self.drawn.take() {
            self.reserved_versions.put_back(drawn);
        }
    }

    fn answer(group: Writes, answers: Answers) -> Written {
        let deleted: u64 = answers.deletes.iter().flatten().map(|count| count / ROWS_PER_PAGE).sum();
        let named: usize = group.0.iter().map(|write| write.request().keys()).sum();
        let written = Written {
            rows: named.saturating_add(usize::try_from(deleted).unwrap_or(usize::MAX)),
            bytes: group.0.iter().map(Entry::weight).sum(),
        };
        group.answer(answers);
        written
    }

    fn split(group: Writes) -> Vec<Writes> {
        group.0.into_iter().map(|write| Writes(vec![write])).collect()
    }

    fn take_large(group: &mut Writes, number: usize) -> Vec<(Namespace, Writes)> {
        let unbounded = |write: &Write| write.request().unbounded().map(|delete| delete.namespace.clone());
        let Some(namespace) = group.0.get(number).and_then(unbounded) else { return Vec::new() };
        let large = group.0.extract_if(.., |write| unbounded(write).as_ref() == Some(&namespace));
        large.map(|write| (namespace.clone(), Writes(vec![write]))).collect()
    }

    async fn sweep(&self, transaction: &mut Transaction, now: Timestamp) -> Result<Swept, sqlx::Error> {
        sweep::sweep(&mut transaction.connection, now, self.retention).await
    }

    async fn touch(&self, transaction: &mut Transaction) -> Result<(), sqlx::Error> {
        sqlx::query(SCHEMA.touch).execute(&mut transaction.connection).await.map(drop)
    }

    /// Returns the unused reserved versions to the counter, if no process has drawn since.
    async fn close(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let Some(Held { before, last }) = self.reserved_versions.left() else { return Ok(()) };
        let query = sqlx::query("UPDATE versions SET last = ? WHERE last = ?").bind(before).bind(last);
        query.execute(connection).await.map(drop)
    }
}

/// Loads the rows of all keys; returns the value of the version counter.
async fn load(connection: &mut SqliteConnection, overlay: &mut Overlay<'_>) -> Result<i64, sqlx::Error> {
    let last = sqlx::query("SELECT last FROM versions").fetch_one(&mut *connection).await?.try_get(0)?;
    for (chunk, full_keys) in overlay.full_keys().chunks(MAX_ROWS).enumerate() {
        let mut query = sqlx::query(sql::lookup(full_keys.len()));
        for FullKey { namespace, id, key } in full_keys {
            query = query.bind(namespace.as_bytes()).bind(id.as_bytes()).bind(*key);
        }
        for row in query.fetch_all(&mut *connection).await? {
            let offset: i64 = row.try_get(0)?;
            let slot = chunk * MAX_ROWS + usize::try_from(offset).map_err(CorruptRow::because)?;
            overlay.set_row(slot, key_row(&row)?);
        }
    }
    Ok(last)
}

/// Writes changes, in few statements.
async fn write(connection: &mut SqliteConnection, changes: Vec<Pending<'_>>) -> Result<(), sqlx::Error> {
    let (gone, kept): (Vec<_>, Vec<_>) =
        changes.into_iter().partition(|pending| pending.change == Change::Remove);
    for chunk in kept.chunks(MAX_ROWS) {
        let mut query = sqlx::query(sql::upsert(chunk.len()));
        for pending in chunk {
            query = bind_row(query, pending);
        }
        query.execute(&mut *connection).await?;
    }
    for chunk in gone.chunks(MAX_ROWS) {
        let mut query = sqlx::query(sql::remove(chunk.len()));
        for Pending { full_key: FullKey { namespace, id, key }, .. } in chunk {
            query = query.bind(namespace.as_bytes()).bind(id.as_bytes()).bind(*key);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Executes a Delete by range, prefix or all within the database, since a record may have more items than fit in memory.
/// The rules are those of [`prism_contract::keyvalue::row`]. Only live items are deleted, so existing tombstones stay.
async fn delete_span(connection: &mut SqliteConnection, delete: &Delete) -> Result<u64, sqlx::Error> {
    let bounds = delete.predicate.bounds();
    let statements = [
        // First the items that must leave a tombstone, then the others, which exist only for a Delete without a token.
        Some(sql::insert_tombstones(bounds.end.is_some())),
        (delete.token == 0).then(|| sql::delete_without_tombstone(bounds.end.is_some())),
    ];
    let mut count = 0;
    for statement in statements.into_iter().flatten() {
        let query = sqlx::query(statement)
            .bind(delete.namespace.as_str().as_bytes())
            .bind(delete.id.as_str().as_bytes())
            .bind(delete.now.as_micros())
            .bind(delete.token)
            .bind(bounds.start.as_ref())
            .bind(bounds.end.as_deref());
        count += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(count)
}

type Query = sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// Binds a row in the order of [`sql::upsert`].
fn bind_row(query: Query, Pending { full_key, change }: &Pending<'_>) -> Query {
    let FullKey { namespace, id, key } = full_key;
    let query = query.bind(namespace.as_bytes()).bind(id.as_bytes()).bind(*key);
    let (row, content_type, compression, value): (&KeyRow, &str, i32, &[u8]) = match change {
        Change::Item(row, item) => (row, &item.content_type, item.compression, &item.value),
        Change::Tombstone(row) => (row, "", 0, &[]),
        Change::Remove => return query,
    };
    query
        .bind(content_type)
        .bind(compression)
        .bind(row.version)
        .bind(row.token)
        .bind(row.created_at.as_micros())
        .bind(row.updated_at.as_micros())
        .bind(row.expires_at.map(Timestamp::as_micros))
        .bind(row.deleted_at.map(Timestamp::as_micros))
        .bind(value)
}

/// A row of [`sql::lookup`], after its number.
fn key_row(row: &SqliteRow) -> Result<KeyRow, sqlx::Error> {
    Ok(KeyRow {
        version: row.try_get(1)?,
        token: row.try_get(2)?,
        created_at: timestamp(row, 3)?,
        updated_at: timestamp(row, 4)?,
        expires_at: optional_timestamp(row, 5)?,
        deleted_at: optional_timestamp(row, 6)?,
    })
}
