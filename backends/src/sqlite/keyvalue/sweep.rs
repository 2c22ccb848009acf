//! Sweeping: removal of expired items and of tombstones past their retention, a bounded number at a time.

use std::time::Duration;

use prism_contract::{Swept, Timestamp};
use sqlx::{Row, SqliteConnection};

/// Maximum rows of each kind per sweep, which occupies the writer for some milliseconds.
const BOUND: i64 = 1_000;

/// The first expired rows, in index order.
macro_rules! first_expired {
    () => {
        "(namespace, id, key) IN (SELECT namespace, id, key FROM items \
         WHERE expires_at IS NOT NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?3)"
    };
}

/// Removes expired items without a token, or with a token past its retention.
const DROP_EXPIRED: &str =
    concat!("DELETE FROM items WHERE (token = 0 OR expires_at <= ?2) AND ", first_expired!());

/// Turns expired items whose token must be kept into tombstones, deleted at their expiry. For a request with a later `now`
/// nothing changes, and one with an earlier `now` sees no item without its value.
const EXPIRED_TO_TOMBSTONES: &str = concat!(
    "UPDATE items SET deleted_at = expires_at, expires_at = NULL, content_type = '', compression = 0, value = x'' \
     WHERE token > 0 AND ",
    first_expired!()
);

/// Removes tombstones past their retention.
const DROP_TOMBSTONES: &str = "DELETE FROM items WHERE (namespace, id, key) IN (SELECT namespace, id, key \
     FROM items WHERE deleted_at IS NOT NULL AND deleted_at <= ?2 ORDER BY deleted_at LIMIT ?3)";

/// Whether anything is left to sweep.
const IS_MORE: &str = "SELECT EXISTS (SELECT 1 FROM items WHERE expires_at IS NOT NULL AND expires_at <= ?1) \
     OR EXISTS (SELECT 1 FROM items WHERE deleted_at IS NOT NULL AND deleted_at <= ?2)";

/// Every statement of a sweep.
#[cfg(test)]
pub(in crate::sqlite) const STATEMENTS: [&str; 4] =
    [DROP_EXPIRED, EXPIRED_TO_TOMBSTONES, DROP_TOMBSTONES, IS_MORE];

/// Removes a bounded number of rows that are dead at `now`, and no live item (TTL-5).
pub(in crate::sqlite) async fn sweep(
    connection: &mut SqliteConnection,
    now: Timestamp,
    retention: Duration,
) -> Result<Swept, sqlx::Error> {
    let forgotten = now.saturating_sub(retention);
    let mut affected = [0; 3];
    for (statement, count) in
        [DROP_EXPIRED, EXPIRED_TO_TOMBSTONES, DROP_TOMBSTONES].into_iter().zip(&mut affected)
    {
        let query = sqlx::query(statement).bind(now.as_micros()).bind(forgotten.as_micros()).bind(BOUND);
        *count = query.execute(&mut *connection).await?.rows_affected();
    }
    let query = sqlx::query(IS_MORE).bind(now.as_micros()).bind(forgotten.as_micros());
    let more = query.fetch_one(connection).await?.try_get(0)?;
    let [dropped, to_tombstones, tombstones] = affected;
    Ok(Swept { expired: dropped + to_tombstones, tombstones, more })
}
