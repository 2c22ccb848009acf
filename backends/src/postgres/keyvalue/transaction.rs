//! One write transaction: lock the records of a batch, load their rows, decide, write, commit.

use std::time::Duration;

use prism_contract::Timestamp;
use prism_contract::keyvalue::Delete;
use prism_contract::keyvalue::row::Row as KeyRow;
use sqlx::Row;

use super::decode::key_row;
use super::locks::Locks;
use super::write_sql::{self, LOOK_UP, REMOVE, UPSERT};
use crate::engine::CorruptRow;
use crate::keyvalue::{Answers, Change, Decision, Overlay, Pending, Place, Request};
use crate::postgres::engine::Session;

/// So many rows are deleted within a second, unless the database is in trouble.
const MANY: i64 = 10_000;

/// Does `requests` in order in one transaction: an answer for each once it is committed, or an error that means none of them
/// (but see [`TxFailure::Unavailable`](crate::postgres::engine::TxFailure::Unavailable)).
///
/// It holds the exclusive locks of all its records, and loads their rows by a separate statement after that, which sees
/// what the last holder of each lock wrote (LIN-1).
/// With `longest`, each of its statements may take so long and no longer.
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
        // The transaction has begun nevertheless, and failed at a lock.
        Err(error) => Err(error),
    };
    end(session, answers).await
}

/// Commits what was done, or takes it back. After a failure to do either the session is not fit for more; the caller sees
/// the error that came first.
pub(in crate::postgres) async fn end<T>(
    session: &mut Session,
    done: Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    match done {
        Ok(done) => session.run("COMMIT").await.map(|()| done),
        Err(error) => {
            // Postgres itself rolls back what a broken connection leaves behind.
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
                overlay.swept_by(delete);
            }
        }
    }
    write(session, overlay.take_changes()).await?;
    Ok(answers)
}

/// Loads the rows of every place, and draws as many versions as may be needed.
async fn load(session: &mut Session, overlay: &mut Overlay<'_>) -> Result<(), sqlx::Error> {
    let places = overlay.places();
    let needed = overlay.versions_needed();
    if places.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(LOOK_UP)
        .bind(column(&places, |place| place.namespace.as_bytes()))
        .bind(column(&places, |place| place.id.as_bytes()))
        .bind(column(&places, |place| place.key))
        .bind(i64::try_from(needed).map_err(CorruptRow::because)?);
    let mut versions = Vec::with_capacity(needed);
    for row in session.rows(query).await? {
        let number: i64 = row.try_get(0)?;
        match usize::try_from(number).map_err(CorruptRow::because)?.checked_sub(1) {
            None => versions.push(row.try_get(1)?),
            Some(slot) => overlay.know(slot, key_row(&row)?),
        }
    }
    overlay.draw_from(versions);
    Ok(())
}

/// Writes changes, in at most two statements.
async fn write(session: &mut Session, changes: Vec<Pending<'_>>) -> Result<(), sqlx::Error> {
    let mut kept = Vec::with_capacity(changes.len());
    let mut gone = Vec::new();
    for Pending { place, change } in changes {
        match change {
            Change::Item(row, item) => {
                kept.push(Line {
                    place,
                    row,
                    content_type: &item.content_type,
                    compression: item.compression,
                    value: &item.value,
                });
            }
            Change::Tombstone(row) => {
                kept.push(Line { place, row, content_type: "", compression: 0, value: &[] });
            }
            Change::Remove => gone.push(place),
        }
    }
    if !kept.is_empty() {
        let query = sqlx::query(UPSERT)
            .bind(column(&kept, |line| line.place.namespace.as_bytes()))
            .bind(column(&kept, |line| line.place.id.as_bytes()))
            .bind(column(&kept, |line| line.place.key))
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
        session.execute(places_of(REMOVE, &gone)).await?;
    }
    Ok(())
}

/// A row as it is to be written.
struct Line<'a> {
    place: Place<'a>,
    row: KeyRow,
    content_type: &'a str,
    compression: i32,
    value: &'a [u8],
}

/// A statement whose parameters are the namespaces, ids and keys of places.
fn places_of(text: &'static str, places: &[Place<'_>]) -> crate::postgres::engine::Query {
    sqlx::query(text)
        .bind(column(places, |place| place.namespace.as_bytes()))
        .bind(column(places, |place| place.id.as_bytes()))
        .bind(column(places, |place| place.key))
}

/// One column of rows.
pub(in crate::postgres) fn column<'a, R, T: 'a>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

/// Whether a Delete by range, prefix or all covers more rows than a database in good order could not delete in seconds.
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

/// Does a Delete by range, prefix or all within the database, by the rules of [`prism_contract::keyvalue::row`]: a record may
/// hold more items than fit in memory. Only what is live goes, so what was dead keeps its tombstone.
async fn delete_span(session: &mut Session, delete: &Delete) -> Result<u64, sqlx::Error> {
    let bounds = delete.predicate.bounds();
    let ends = bounds.end.is_some();
    let statements = [
        // First those that must leave a tombstone, then the others, which only a Delete without a token has.
        Some(write_sql::insert_tombstones(ends)),
        (delete.token == 0).then(|| write_sql::delete_without_tombstone(ends)),
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
