//! The transaction of a group of Appends: it locks the partitions and draws positions, finds the series, and writes the events.

use std::collections::HashSet;

use prism_contract::Error;
use prism_contract::timeseries::Append;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::group::{Grouped, Line, is_live};
use super::namespaces::{Namespaces, Partitions};
use super::swept::record_swept;
use super::write_sql::{CREATE_SERIES, DRAW, INSERT, LOOK_UP, REMOVE, SERIES};
use crate::engine::CorruptRow;
use crate::postgres::engine::Session;
use crate::postgres::keyvalue::{column, end};
use crate::timeseries::stored_tags;

/// Of each Append, whether each of its events was there already; or why it was refused.
pub(super) type Answers = Vec<Result<Vec<bool>, Error>>;

/// The partitions of a namespace are not as remembered.
struct Stale;

/// A partition whose lock is held.
struct Locked {
    namespace: i64,
    id: i64,
    /// The position before the first that was drawn.
    before: i64,
}

/// Writes Appends in one transaction: an answer for each once it is committed, or an error, after which none has taken effect
/// (but see [`TxFailure::Unavailable`](crate::postgres::engine::TxFailure::Unavailable)).
pub(super) async fn commit(
    session: &mut Session,
    namespaces: &Namespaces,
    appends: &[&Append],
) -> Result<Answers, sqlx::Error> {
    for _ in 0..2 {
        let partitions = namespaces.of(session, appends).await?;
        if let Ok(answers) = attempt(session, appends, &partitions).await? {
            return Ok(answers);
        }
        // The database was restored to a time when it had other namespaces.
        namespaces.forget();
    }
    Err(CorruptRow::because("a namespace has no partitions"))
}

async fn attempt(
    session: &mut Session,
    appends: &[&Append],
    partitions: &Partitions,
) -> Result<Result<Answers, Stale>, sqlx::Error> {
    let (group, left_out) = Grouped::new(appends, partitions);
    let mut answers: Answers = appends.iter().map(|append| Ok(vec![true; append.events.len()])).collect();
    for number in left_out {
        let append = appends[number];
        answers[number] = append.refuse(append.outside()).map(|()| Vec::new());
    }
    if group.events.is_empty() {
        return Ok(Ok(answers));
    }
    session.run("BEGIN").await?;
    let written = write(session, &group, &mut answers).await;
    Ok(end(session, written).await?.map(|()| answers))
}

async fn write(
    session: &mut Session,
    group: &Grouped<'_>,
    answers: &mut Answers,
) -> Result<Result<(), Stale>, sqlx::Error> {
    let Ok(locked) = draw(session, group).await? else { return Ok(Err(Stale)) };
    let mut series = find_series(session, group, &locked).await?;
    let there = look_up(session, group, &series).await?;
    let refused = group.refuse(&there);
    let is_written = |line: &&Line<'_>| !refused.contains_key(&line.append);
    create_series(session, group, &locked, &mut series, is_written).await?;
    remove_expired(session, group, &series, &there, is_written).await?;
    insert(session, group, &locked, &series, is_written, answers).await?;
    for (number, error) in refused {
        answers[number] = Err(error);
    }
    Ok(Ok(()))
}

/// Locks the partitions and draws a position for each event. Positions of events that turn out to be there remain unused.
async fn draw(session: &mut Session, group: &Grouped<'_>) -> Result<Result<Vec<Locked>, Stale>, sqlx::Error> {
    let logs = &group.logs;
    let query = sqlx::query(DRAW)
        .bind(column(logs, |log| log.namespace.as_bytes()))
        .bind(column(logs, |log| log.partitions))
        .bind(column(logs, |log| log.partition))
        .bind(column(logs, |log| log.count));
    let mut locked: Vec<_> = logs.iter().map(|_| None).collect();
    for row in session.rows(query).await? {
        let drawn = Locked { namespace: row.try_get(1)?, id: row.try_get(2)?, before: row.try_get(3)? };
        if let Some(locked) = locked.get_mut(element(&row)?) {
            *locked = Some(drawn);
        }
    }
    Ok(locked.into_iter().collect::<Option<Vec<_>>>().ok_or(Stale))
}

/// The ids of the series; `None`: there is none yet. Read after the locks were taken: the sweep removes series under them.
async fn find_series(
    session: &mut Session,
    group: &Grouped<'_>,
    locked: &[Locked],
) -> Result<Vec<Option<i64>>, sqlx::Error> {
    let query = sqlx::query(SERIES)
        .bind(column(&group.series, |series| locked[series.log].namespace))
        .bind(column(&group.series, |series| series.name.as_bytes()));
    let mut ids = vec![None; group.series.len()];
    for row in session.rows(query).await? {
        if let Some(id) = ids.get_mut(element(&row)?) {
            *id = Some(row.try_get(1)?);
        }
    }
    Ok(ids)
}

async fn create_series(
    session: &mut Session,
    group: &Grouped<'_>,
    locked: &[Locked],
    ids: &mut Vec<Option<i64>>,
    is_written: impl Fn(&&Line<'_>) -> bool,
) -> Result<(), sqlx::Error> {
    let new = group.events.iter().filter(&is_written).map(|line| line.series);
    let mut new: Vec<_> = new.filter(|series| ids[*series].is_none()).collect();
    new.sort_unstable();
    new.dedup();
    if new.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(CREATE_SERIES)
        .bind(column(&new, |new| locked[group.series[*new].log].namespace))
        .bind(column(&new, |new| group.series[*new].name.as_bytes()))
        .bind(column(&new, |new| locked[group.series[*new].log].id));
    session.execute(query).await?;
    *ids = find_series(session, group, locked).await?;
    Ok(())
}

/// The indices of special events that are there.
async fn look_up(
    session: &mut Session,
    group: &Grouped<'_>,
    series: &[Option<i64>],
) -> Result<HashSet<usize>, sqlx::Error> {
    let special = group.events.iter().enumerate().filter(|(_, line)| line.is_special);
    let wanted: Vec<_> =
        special.filter_map(|(index, line)| Some((index, line, series[line.series]?))).collect();
    if wanted.is_empty() {
        return Ok(HashSet::new());
    }
    let query = sqlx::query(LOOK_UP)
        .bind(column(&wanted, |(_, _, series)| *series))
        .bind(column(&wanted, |(_, line, _)| line.event.event.time.as_micros()))
        .bind(column(&wanted, |(_, line, _)| line.event.event.id.as_bytes()));
    let rows = session.rows(query).await?;
    let index = |row| Ok(wanted.get(element(row)?).map(|(index, _, _)| *index));
    rows.iter().filter_map(|row| index(row).transpose()).collect()
}

/// Removes expired events that are there and are appended again: each is a new one, and the old one leaves the log as if it had
/// been swept.
async fn remove_expired(
    session: &mut Session,
    group: &Grouped<'_>,
    series: &[Option<i64>],
    there: &HashSet<usize>,
    is_written: impl Fn(&&Line<'_>) -> bool,
) -> Result<(), sqlx::Error> {
    let has_expired = |line: &&Line<'_>| {
        !is_live(line.event.event.time, group.appends[line.append].expired) && is_written(line)
    };
    let old =
        group.events.iter().enumerate().filter(|(index, line)| there.contains(index) && has_expired(line));
    let old: Vec<_> = old.filter_map(|(_, line)| Some((line, series[line.series]?))).collect();
    if old.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(REMOVE)
        .bind(column(&old, |(_, series)| *series))
        .bind(column(&old, |(line, _)| line.event.event.time.as_micros()))
        .bind(column(&old, |(line, _)| line.event.event.id.as_bytes()));
    let removed = session.rows(query).await?;
    record_swept(session, &removed).await
}

/// Writes the events that are not there, and records in `answers` which these are.
async fn insert(
    session: &mut Session,
    group: &Grouped<'_>,
    locked: &[Locked],
    series: &[Option<i64>],
    is_written: impl Fn(&&Line<'_>) -> bool,
    answers: &mut Answers,
) -> Result<(), sqlx::Error> {
    let lines: Vec<_> = group.events.iter().filter(is_written).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let log = |line: &Line<'_>| &locked[group.series[line.series].log];
    let query = sqlx::query(INSERT)
        .bind(column(&lines, |line| series[line.series]))
        .bind(column(&lines, |line| line.event.event.time.as_micros()))
        .bind(column(&lines, |line| line.event.event.id.as_bytes()))
        .bind(column(&lines, |line| log(line).id))
        .bind(column(&lines, |line| log(line).before + line.number))
        .bind(column(&lines, |line| line.event.event.content_type.as_bytes()))
        .bind(column(&lines, |line| stored_tags::encode(&line.event.event.tags)))
        .bind(column(&lines, |line| line.event.event.payload.as_ref()));
    // Returning what was written would cost a row for each event, and nearly always all of them were.
    if session.execute(query).await? == lines.len() as u64 {
        for line in lines {
            mark_new(answers, line);
        }
        return Ok(());
    }
    let query = sqlx::query(LOOK_UP)
        .bind(column(&lines, |line| series[line.series]))
        .bind(column(&lines, |line| line.event.event.time.as_micros()))
        .bind(column(&lines, |line| line.event.event.id.as_bytes()));
    for row in session.rows(query).await? {
        let position: i64 = row.try_get(2)?;
        // Where the position is another one, the event was there; so it was if a Delete has removed it meanwhile.
        if let Some(line) = lines.get(element(&row)?)
            && position == log(line).before + line.number
        {
            mark_new(answers, line);
        }
    }
    Ok(())
}

/// Records that an event was not there.
fn mark_new(answers: &mut Answers, line: &Line<'_>) {
    if let Ok(duplicates) = &mut answers[line.append] {
        duplicates[line.at] = false;
    }
}

/// The index of a row's element of the parameters, whose 1-based number it has.
fn element(row: &PgRow) -> Result<usize, sqlx::Error> {
    let number: i64 = row.try_get(0)?;
    usize::try_from(number - 1).map_err(CorruptRow::because)
}
