//! A write transaction: locks the records of a batch, loads their rows, decides, writes, commits.

use std::time::Duration;

use prism_contract::Timestamp;
use prism_contract::keyvalue::Delete;
use prism_contract::keyvalue::row::Row as KeyRow;
use sqlx::Row;

use super::decode::key_row;
use super::locks::Locks;
use super::write_sql::{self, LOOK_UP, REMOVE, UPSERT};
use crate::engine::CorruptRow;
use crate::keyvalue::{Answers, Change, Decision, FullKey, Overlay, Pending, Request};
use crate::postgres::engine::Session;

/// Number of rows that a healthy database deletes within a second.
const MANY: i64 = 10_000;

/// Executes `requests` in order in one transaction: an answer for each once it is committed, or an error, after which none
/// has taken effect (but see [`TxFailure::Unavailable`](crate::postgres::engine::TxFailure::Unavailable)).
///
/// It takes the exclusive locks of all its records, and then loads their rows by a separate statement, which sees the
/// writes of the last holder of each lock (LIN-1). `longest` is the timeout of each of its statements.
pub(in crate::postgres) async fn commit(
    session: &mut Session,
    requests: &[Request<'_>],
    locks: Locks,
    retention: Duration,
    longest: Option<Duration>,
) -> Result<Answers, sqlx::Error> {
    let answers = match session
        .run(write_sql::begin_locked(&locks.of_all(requests.iter().map(|request| request.record())), longest))
        .await
    {
        Ok(()) => apply(session, requests, retention).await,
        // The transaction has begun, and failed at a lock.
        Err(error) => Err(error),
    };
    end(session, answers).await
}

/// Commits or rolls back. If that fails, the session is not usable any more; the caller gets the first error.
pub(in crate::postgres) async fn end<T>(
    session: &mut Session,
    done: Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    match done {
        Ok(done) => session.run("COMMIT").await.map(|()| done),
        Err(error) => {
            // Postgres rolls back by itself when a connection breaks.
            let _ = session.run("ROLLBACK").await;
            Err(error)
        }
    }
}

async fn apply(
    session: &mut Session,
    requests: &[Request<'_>],
    retention: Duration,
) -> Result<Answers, sqlx::Error> {
    let mut overlay = Overlay::new(requests, retention);
    load(session, &mut overlay).await?;
    let mut answers = Answers::default();
    for number in 0..requests.len() {
        match overlay.decide(number) {
            Decision::Put(answer) => answers.puts.push(answer),
            Decision::Delete(answer) => answers.deletes.push(answer),
            Decision::ByStore(delete) => {
                write(session, overlay.take_changes()).await?;
                answers.deletes.push(Ok(delete_span(session, delete).await?));
                overlay.apply_store_delete(delete);
            }
        }
    }
    write(session, overlay.take_changes()).await?;
    Ok(answers)
}

/// Loads the rows of all keys, and draws as many versions as may be needed.
async fn load(session: &mut Session, overlay: &mut Overlay<'_>) -> Result<(), sqlx::Error> {
    let full_keys = overlay.full_keys();
    let needed = overlay.versions_needed();
    if full_keys.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(LOOK_UP)
        .bind(column(&full_keys, |full_key| full_key.namespace.as_bytes()))
        .bind(column(&full_keys, |full_key| full_key.id.as_bytes()))
        .bind(column(&full_keys, |full_key| full_key.key))
        .bind(i64::try_from(needed).map_err(CorruptRow::because)?);
    let mut versions = Vec::with_capacity(needed);
    for row in session.rows(query).await? {
        let number: i64 = row.try_get(0)?;
        match usize::try_from(number).map_err(CorruptRow::because)?.checked_sub(1) {
            None => versions.push(row.try_get(1)?),
            Some(slot) => overlay.set_row(slot, key_row(&row)?),
        }
    }
    overlay.draw_from(versions);
    Ok(())
}

/// Writes changes, in at most two statements.
async fn write(session: &mut Session, changes: Vec<Pending<'_>>) -> Result<(), sqlx::Error> {
    let mut kept = Vec::with_capacity(changes.len());
    let mut gone = Vec::new();
    for Pending { full_key, change } in changes {
        match change {
            Change::Item(row, item) => {
                kept.push(Line {
                    full_key,
                    row,
                    content_type: &item.content_type,
                    compression: item.compression,
                    value: &item.value,
                });
            }
            Change::Tombstone(row) => {
                kept.push(Line { full_key, row, content_type: "", compression: 0, value: &[] });
            }
            Change::Remove => gone.push(full_key),
        }
    }
    if !kept.is_empty() {
        let query = sqlx::query(UPSERT)
            .bind(column(&kept, |line| line.full_key.namespace.as_bytes()))
            .bind(column(&kept, |line| line.full_key.id.as_bytes()))
            .bind(column(&kept, |line| line.full_key.key))
            .bind(column(&kept, |line| line.content_type.as_bytes()))
            .bind(column(&kept, |line| line.compression))
            .bind(column(&kept, |line| line.row.version))
            .bind(column(&kept, |line| line.row.token))
            .bind(column(&kept, |line| line.row.created_at.as_micros()))
            .bind(column(&kept, |line| line.row.updated_at.as_micros()))
            .bind(column(&kept, |line| line.row.expires_at.map(Timestamp::as_micros)))
            .bind(column(&kept, |line| line.row.deleted_at.map(Timestamp::as_micros)))
            .bind(column(&kept, |line| line.value));
        session.execute(query).await?;
    }
    if !gone.is_empty() {
        session.execute(by_full_keys(REMOVE, &gone)).await?;
    }
    Ok(())
}

/// A row to be written.
struct Line<'a> {
    full_key: FullKey<'a>,
    row: KeyRow,
    content_type: &'a str,
    compression: i32,
    value: &'a [u8],
}

/// A statement whose parameters are the namespaces, ids and keys of full keys.
fn by_full_keys(statement: &'static str, full_keys: &[FullKey<'_>]) -> crate::postgres::engine::Query {
    sqlx::query(statement)
        .bind(column(full_keys, |full_key| full_key.namespace.as_bytes()))
        .bind(column(full_keys, |full_key| full_key.id.as_bytes()))
        .bind(column(full_keys, |full_key| full_key.key))
}

/// One column of rows.
pub(in crate::postgres) fn column<'a, R, T: 'a>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

/// Whether a Delete by range, prefix or all covers at least [`MANY`] rows.
pub(in crate::postgres) async fn covers_many(
    session: &mut Session,
    delete: &Delete,
) -> Result<bool, sqlx::Error> {
    let bounds = delete.predicate.bounds();
    let query = sqlx::query(write_sql::count_span(bounds.end.is_some()))
        .bind(delete.namespace.as_str().as_bytes())
        .bind(delete.id.as_str().as_bytes())
        .bind(MANY)
        .bind(bounds.start.as_ref());
    let query = bounds.end.iter().fold(query, |query, end| query.bind(end.as_ref()));
    Ok(session.row(query).await?.try_get::<i64, _>(0)? == MANY)
}

/// Executes a Delete by range, prefix or all within the database, since a record may have more items than fit in memory.
/// The rules are those of [`prism_contract::keyvalue::row`]. Only live items are deleted, so existing tombstones stay.
async fn delete_span(session: &mut Session, delete: &Delete) -> Result<u64, sqlx::Error> {
    let bounds = delete.predicate.bounds();
    let has_end = bounds.end.is_some();
    let statements = [
        // First the items that must leave a tombstone, then the others, which exist only for a Delete without a token.
        Some(write_sql::insert_tombstones(has_end)),
        (delete.token == 0).then(|| write_sql::delete_without_tombstone(has_end)),
    ];
    let mut count = 0;
    for statement in statements.into_iter().flatten() {
        let query = sqlx::query(statement)
            .bind(delete.namespace.as_str().as_bytes())
            .bind(delete.id.as_str().as_bytes())
            .bind(delete.now.as_micros())
            .bind(delete.token)
            .bind(bounds.start.as_ref());
        let query = bounds.end.iter().fold(query, |query, end| query.bind(end.as_ref()));
        count += session.execute(query).await?;
    }
    Ok(count)
}
