//! Sweeping: removal of expired items and of tombstones past their retention, a bounded number at a time.
//!
//! One gateway sweeps at a time: if another one is sweeping, a sweep does nothing. A row is removed only under its record's
//! lock, and a record that is being written is skipped until the next sweep, so a sweep never waits and never blocks others
//! for long.

use std::time::Duration;

use prism_contract::{Swept, Timestamp};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::locks::Locks;
use super::transaction::{column, end};
use super::write_sql::TRY_LOCKS;
use crate::postgres::engine::{Query, Session};

/// Maximum rows of each kind per sweep, which takes some milliseconds.
const BOUND: i64 = 1_000;

/// The first expired rows. Parameters: now and row limit.
pub(in crate::postgres) const EXPIRED: &str = "SELECT namespace, id, key FROM prism_items \
     WHERE expires_at IS NOT NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2";

/// The first tombstones past their retention. Parameters: latest deletion time and row limit.
pub(in crate::postgres) const FORGOTTEN: &str = "SELECT namespace, id, key FROM prism_items \
     WHERE deleted_at IS NOT NULL AND deleted_at <= $1 ORDER BY deleted_at LIMIT $2";

/// The rows of keys, given as arrays of namespaces, ids and keys. Further conditions on a row are written as `(…) IS TRUE`,
/// which no index supports: each row must be found by the primary key, not by the index of dead rows.
macro_rules! by_full_key {
    () => {
        "i.namespace = at.namespace AND i.id = at.id AND i.key = at.key"
    };
}

/// Removes, of these keys, expired items without a token, or with a token past its retention. Parameters: keys, now, and the
/// latest expiry time of a token past its retention.
pub(in crate::postgres) const DROP_EXPIRED: &str = concat!(
    "DELETE FROM prism_items AS i USING unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS at (namespace, id, key) WHERE ",
    by_full_key!(),
    " AND (i.expires_at <= $4) IS TRUE AND (i.token = 0 OR i.expires_at <= $5)"
);

/// Turns, of these keys, expired items whose token must be kept into tombstones, deleted at their expiry. For a request
/// with a later `now` nothing changes, and one with an earlier `now` sees no item without its value.
pub(in crate::postgres) const EXPIRED_TO_TOMBSTONES: &str = concat!(
    "UPDATE prism_items AS i SET deleted_at = i.expires_at, expires_at = NULL, content_type = '', compression = 0, \
     value = '' FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS at (namespace, id, key) WHERE ",
    by_full_key!(),
    " AND (i.expires_at <= $4 AND i.expires_at > $5) IS TRUE AND i.token > 0"
);

/// Removes, of these keys, tombstones past their retention. Parameters: keys, and the latest deletion time.
pub(in crate::postgres) const DROP_FORGOTTEN: &str = concat!(
    "DELETE FROM prism_items AS i USING unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS at (namespace, id, key) WHERE ",
    by_full_key!(),
    " AND (i.deleted_at <= $4) IS TRUE"
);

/// Removes a bounded number of rows that are dead at `now`, and no live item (TTL-5).
pub(in crate::postgres) async fn sweep(
    session: &mut Session,
    now: Timestamp,
    locks: Locks,
    retention: Duration,
) -> Result<Swept, sqlx::Error> {
    session.run("BEGIN").await?;
    let swept = swept(session, now, locks, retention).await;
    end(session, swept).await
}

async fn swept(
    session: &mut Session,
    now: Timestamp,
    locks: Locks,
    retention: Duration,
) -> Result<Swept, sqlx::Error> {
    let locked =
        session.row(sqlx::query("SELECT pg_try_advisory_xact_lock($1)").bind(locks.of_sweep())).await?;
    if !locked.try_get::<bool, _>(0)? {
        return Ok(Swept::default());
    }
    let forgotten = now.saturating_sub(retention).as_micros();
    let now = now.as_micros();
    let expired = found(session, sqlx::query(EXPIRED).bind(now).bind(BOUND)).await?;
    let tombstones = found(session, sqlx::query(FORGOTTEN).bind(forgotten).bind(BOUND)).await?;
    let at_limit = [&expired, &tombstones].iter().any(|found| i64::try_from(found.len()) == Ok(BOUND));

    let mut wanted = locks.of_all(expired.iter().chain(&tombstones).map(FullKey::record));
    let locked = session.rows(sqlx::query(TRY_LOCKS).bind(wanted.as_slice())).await?;
    let locked = locked.iter().map(|row| row.try_get(0)).collect::<Result<Vec<bool>, _>>()?;
    let mut locked = locked.into_iter();
    wanted.retain(|_| locked.next() == Some(true));
    let lockable = |full_keys: Vec<FullKey>| -> Vec<FullKey> {
        full_keys
            .into_iter()
            .filter(|full_key| wanted.binary_search(&locks.of(&full_key.namespace, &full_key.id)).is_ok())
            .collect()
    };
    let (expired, tombstones) = (lockable(expired), lockable(tombstones));

    let mut swept = Swept::default();
    if !expired.is_empty() {
        for statement in [DROP_EXPIRED, EXPIRED_TO_TOMBSTONES] {
            swept.expired += session.execute(at(statement, &expired).bind(now).bind(forgotten)).await?;
        }
    }
    if !tombstones.is_empty() {
        swept.tombstones = session.execute(at(DROP_FORGOTTEN, &tombstones).bind(forgotten)).await?;
    }
    // If nothing could be swept, the rest is left for the next sweep.
    swept.more = at_limit && swept.expired + swept.tombstones > 0;
    Ok(swept)
}

/// The full key of a row.
struct FullKey {
    namespace: String,
    id: String,
    key: Vec<u8>,
}

impl FullKey {
    fn record(&self) -> (&str, &str) {
        (&self.namespace, &self.id)
    }

    fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        use crate::engine::CorruptRow;
        let text = |column| String::from_utf8(row.try_get(column)?).map_err(CorruptRow::because);
        Ok(Self { namespace: text(0)?, id: text(1)?, key: row.try_get(2)? })
    }
}

async fn found(session: &mut Session, query: Query) -> Result<Vec<FullKey>, sqlx::Error> {
    session.rows(query).await?.iter().map(FullKey::of).collect()
}

/// A statement whose first parameters are full keys.
fn at(statement: &'static str, full_keys: &[FullKey]) -> Query {
    sqlx::query(statement)
        .bind(column(full_keys, |full_key| full_key.namespace.as_bytes()))
        .bind(column(full_keys, |full_key| full_key.id.as_bytes()))
        .bind(column(full_keys, |full_key| full_key.key.as_slice()))
}
