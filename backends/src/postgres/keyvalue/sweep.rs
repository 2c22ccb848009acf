//! Sweeping: dropping what is expired or forgotten, a bounded amount at a time.
//!
//! Gateways take turns: one that finds another sweeping does nothing. A row is dropped only under its record's lock, and a
//! record that is being written is left for the next time, so a sweep never waits and is never waited for long.

use std::time::Duration;

use prism_contract::{Swept, Timestamp};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::locks::Locks;
use super::transaction::{column, end};
use super::write_sql::TRY_LOCKS;
use crate::postgres::engine::{Query, Session};

/// Most rows of each kind that one sweep looks at. It takes some milliseconds.
const BOUND: i64 = 1_000;

/// The first expired rows: parameters now and how many.
pub(in crate::postgres) const EXPIRED: &str = "SELECT namespace, id, key FROM prism_items \
     WHERE expires_at IS NOT NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2";

/// The first tombstones past their retention: parameters the time up to which they are, and how many.
pub(in crate::postgres) const FORGOTTEN: &str = "SELECT namespace, id, key FROM prism_items \
     WHERE deleted_at IS NOT NULL AND deleted_at <= $1 ORDER BY deleted_at LIMIT $2";

/// The rows of places, given as namespaces, ids and keys. What else is asked of a row is written as `(…) IS TRUE`, which no
/// index answers: each row is to be found by its place, not among all that are as dead.
macro_rules! at_places {
    () => {
        "i.namespace = at.namespace AND i.id = at.id AND i.key = at.key"
    };
}

/// Of these places, expired items without a token, or with one that is forgotten: parameters places, now, and the time up to
/// which tokens are forgotten.
pub(in crate::postgres) const DROP_EXPIRED: &str = concat!(
    "DELETE FROM prism_items AS i USING unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS at (namespace, id, key) WHERE ",
    at_places!(),
    " AND (i.expires_at <= $4) IS TRUE AND (i.token = 0 OR i.expires_at <= $5)"
);

/// Of these places, expired items whose token must be remembered become tombstones, dead since they expired. That changes
/// nothing for a clock at or past the sweep's, and a clock that is behind sees no item without its value.
pub(in crate::postgres) const EXPIRED_TO_TOMBSTONES: &str = concat!(
    "UPDATE prism_items AS i SET deleted_at = i.expires_at, expires_at = NULL, content_type = '', compression = 0, \
     value = '' FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS at (namespace, id, key) WHERE ",
    at_places!(),
    " AND (i.expires_at <= $4 AND i.expires_at > $5) IS TRUE AND i.token > 0"
);

/// Of these places, tombstones past their retention: parameters places, and the time up to which they are.
pub(in crate::postgres) const DROP_FORGOTTEN: &str = concat!(
    "DELETE FROM prism_items AS i USING unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS at (namespace, id, key) WHERE ",
    at_places!(),
    " AND (i.deleted_at <= $4) IS TRUE"
);

/// Drops a bounded amount of what is dead at `now`, and nothing that is live (TTL-5).
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
    let turn =
        session.row(sqlx::query("SELECT pg_try_advisory_xact_lock($1)").bind(locks.of_sweep())).await?;
    if !turn.try_get::<bool, _>(0)? {
        return Ok(Swept::default());
    }
    let forgotten = now.saturating_sub(retention).as_micros();
    let now = now.as_micros();
    let expired = found(session, sqlx::query(EXPIRED).bind(now).bind(BOUND)).await?;
    let tombstones = found(session, sqlx::query(FORGOTTEN).bind(forgotten).bind(BOUND)).await?;
    let bound = [&expired, &tombstones].iter().any(|found| i64::try_from(found.len()) == Ok(BOUND));

    let mut wanted = locks.of_all(expired.iter().chain(&tombstones).map(Place::record));
    let locked = session.rows(sqlx::query(TRY_LOCKS).bind(wanted.as_slice())).await?;
    let locked = locked.iter().map(|row| row.try_get(0)).collect::<Result<Vec<bool>, _>>()?;
    let mut locked = locked.into_iter();
    wanted.retain(|_| locked.next() == Some(true));
    let ours = |places: Vec<Place>| -> Vec<Place> {
        places
            .into_iter()
            .filter(|place| wanted.binary_search(&locks.of(&place.namespace, &place.id)).is_ok())
            .collect()
    };
    let (expired, tombstones) = (ours(expired), ours(tombstones));

    let mut swept = Swept::default();
    if !expired.is_empty() {
        for statement in [DROP_EXPIRED, EXPIRED_TO_TOMBSTONES] {
            swept.expired += session.execute(at(statement, &expired).bind(now).bind(forgotten)).await?;
        }
    }
    if !tombstones.is_empty() {
        swept.tombstones = session.execute(at(DROP_FORGOTTEN, &tombstones).bind(forgotten)).await?;
    }
    // Where nothing could be swept, the rest is for the next time too.
    swept.more = bound && swept.expired + swept.tombstones > 0;
    Ok(swept)
}

/// Where a row stands.
struct Place {
    namespace: String,
    id: String,
    key: Vec<u8>,
}

impl Place {
    fn record(&self) -> (&str, &str) {
        (&self.namespace, &self.id)
    }

    fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        use crate::engine::CorruptRow;
        let text = |column| String::from_utf8(row.try_get(column)?).map_err(CorruptRow::because);
        Ok(Self { namespace: text(0)?, id: text(1)?, key: row.try_get(2)? })
    }
}

async fn found(session: &mut Session, query: Query) -> Result<Vec<Place>, sqlx::Error> {
    session.rows(query).await?.iter().map(Place::of).collect()
}

/// A statement about places.
fn at(statement: &'static str, places: &[Place]) -> Query {
    sqlx::query(statement)
        .bind(column(places, |place| place.namespace.as_bytes()))
        .bind(column(places, |place| place.id.as_bytes()))
        .bind(column(places, |place| place.key.as_slice()))
}
