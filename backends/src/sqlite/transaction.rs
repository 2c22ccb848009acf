//! One write transaction: load the rows of a batch, decide, write, commit.

use std::time::Duration;

use prism_contract::keyvalue::Delete;
use prism_contract::keyvalue::row::Row as KeyRow;
use prism_contract::{Error, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::decode::{moment, optional_moment};
use super::limit::Limit;
use super::reserved_versions::{Drawn, ReservedVersions};
use super::sql;
use crate::batch::{Change, Decision, Overlay, Pending, Place, Write, Written};
use crate::corrupt_row::CorruptRow;

/// A transaction that holds SQLite's write lock: what it reads stays so until it ends, whichever process asks (LIN-1).
pub(super) struct Transaction {
    pub(super) connection: SqliteConnection,
    /// The number of the write whose Delete ran last.
    pub(super) deleting: usize,
}

impl Transaction {
    /// Waits for the write lock, as long as the connection's busy timeout. On failure the connection is given up.
    pub(super) async fn begin(mut connection: SqliteConnection) -> Result<Self, sqlx::Error> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
        Ok(Self::of(connection))
    }

    /// One that may have been begun on this connection.
    pub(super) fn of(connection: SqliteConnection) -> Self {
        Self { connection, deleting: 0 }
    }

    /// Makes it durable, and gives the connection back. On failure the connection is given up, and SQLite rolls back.
    pub(super) async fn commit(mut self) -> Result<SqliteConnection, sqlx::Error> {
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        Ok(self.connection)
    }

    /// Takes everything back; answers the connection if it is fit for more.
    pub(super) async fn roll_back(mut self) -> Option<SqliteConnection> {
        if sqlx::query("ROLLBACK").execute(&mut self.connection).await.is_ok() {
            return Some(self.connection);
        }
        // SQLite may have rolled back by itself, as it does when a statement is interrupted, and then refuses to do it again.
        // That a transaction can be begun shows that none is open.
        for statement in ["BEGIN", "ROLLBACK"] {
            sqlx::query(statement).execute(&mut self.connection).await.ok()?;
        }
        Some(self.connection)
    }

    /// Changes something, and nothing that anyone can see.
    pub(super) async fn touch(&mut self) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE versions SET last = last").execute(&mut self.connection).await?;
        Ok(())
    }

    /// Does `writes` in order, with versions from the reserved range as far as it goes; the answers, and what was drawn, hold once the
    /// transaction is committed. An error means all of them. From the first Delete on whose work has no bound, the statements may
    /// run for `time` together; the limit is to be disarmed afterwards.
    pub(super) async fn apply(
        &mut self,
        writes: &[&Write],
        retention: Duration,
        reserved_versions: &mut ReservedVersions,
        (limit, time): (&Limit, Duration),
    ) -> Result<(Vec<Result<Written, Error>>, Drawn), sqlx::Error> {
        let mut answers = Vec::with_capacity(writes.len());
        let mut overlay = Overlay::new(writes, retention);
        let last = self.load(&mut overlay).await?;
        let before = reserved_versions.before(last);
        reserved_versions.take_out();
        overlay.continue_after(before);
        for number in 0..writes.len() {
            answers.push(match overlay.decide(number) {
                Ok(Decision::Answer(written)) => Ok(written),
                Ok(Decision::ByStore(delete)) => {
                    self.write(overlay.take_changes()).await?;
                    self.deleting = number;
                    if !limit.is_armed() {
                        limit.arm(time);
                    }
                    let count = self.delete(delete).await?;
                    overlay.swept_by(delete);
                    Ok(Written::Deleted(count))
                }
                Err(error) => Err(error),
            });
        }
        self.write(overlay.take_changes()).await?;
        let mut drawn =
            Drawn { given: overlay.last_version() - before, before: overlay.last_version(), last };
        if drawn.before > last {
            drawn.last = drawn.before + reserved_versions.ahead();
            let counted = sqlx::query("UPDATE versions SET last = ?").bind(drawn.last);
            counted.execute(&mut self.connection).await?;
        }
        Ok((answers, drawn))
    }

    /// Loads the rows of every place; answers where the counter of versions stands.
    async fn load(&mut self, overlay: &mut Overlay<'_>) -> Result<i64, sqlx::Error> {
        let last =
            sqlx::query("SELECT last FROM versions").fetch_one(&mut self.connection).await?.try_get(0)?;
        for (chunk, places) in overlay.places().chunks(sql::MOST_ROWS).enumerate() {
            let mut query = sqlx::query(sql::lookup(places.len()));
            for Place { namespace, id, key } in places {
                query = query.bind(namespace.as_bytes()).bind(id.as_bytes()).bind(*key);
            }
            for row in query.fetch_all(&mut self.connection).await? {
                let within: i64 = row.try_get(0)?;
                let slot = chunk * sql::MOST_ROWS + usize::try_from(within).map_err(CorruptRow::because)?;
                overlay.know(slot, key_row(&row)?);
            }
        }
        Ok(last)
    }

    /// Writes changes, in few statements.
    async fn write(&mut self, changes: Vec<Pending<'_>>) -> Result<(), sqlx::Error> {
        let (gone, kept): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|pending| pending.change == Change::Remove);
        for chunk in kept.chunks(sql::MOST_ROWS) {
            let mut query = sqlx::query(sql::upsert(chunk.len()));
            for pending in chunk {
                query = bind_row(query, pending);
            }
            query.execute(&mut self.connection).await?;
        }
        for chunk in gone.chunks(sql::MOST_ROWS) {
            let mut query = sqlx::query(sql::remove(chunk.len()));
            for Pending { place: Place { namespace, id, key }, .. } in chunk {
                query = query.bind(namespace.as_bytes()).bind(id.as_bytes()).bind(*key);
            }
            query.execute(&mut self.connection).await?;
        }
        Ok(())
    }

    /// Does a Delete by range, prefix or all within the database, by the rules of [`prism_contract::keyvalue::row`]: a record
    /// may hold more items than fit in memory. Only what is live goes, so what was dead keeps its tombstone.
    async fn delete(&mut self, delete: &Delete) -> Result<u64, sqlx::Error> {
        let bounds = delete.predicate.bounds();
        let statements = [
            // First those that must leave a tombstone, then the others, which only a Delete without a token has.
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
            count += query.execute(&mut self.connection).await?.rows_affected();
        }
        Ok(count)
    }
}

type Query = sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// Binds a row in the order of [`sql::upsert`].
fn bind_row(query: Query, Pending { place, change }: &Pending<'_>) -> Query {
    let Place { namespace, id, key } = place;
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

/// A row as [`sql::lookup`] answers it, after its number.
fn key_row(row: &SqliteRow) -> Result<KeyRow, sqlx::Error> {
    Ok(KeyRow {
        version: row.try_get(1)?,
        token: row.try_get(2)?,
        created_at: moment(row, 3)?,
        updated_at: moment(row, 4)?,
        expires_at: optional_moment(row, 5)?,
        deleted_at: optional_moment(row, 6)?,
    })
}
