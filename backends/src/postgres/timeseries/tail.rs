//! Positions, and pages of a log.

use prism_contract::timeseries::{Position, Series, SeriesEvent, Start, Tail, TailPage};
use prism_contract::{Error, Namespace};

use super::decode::Read;
use super::group::is_live;
use super::{bound, claimed, read_sql, saturated};
use crate::postgres::engine::Query;
use crate::postgres::keyvalue::Readers;
use crate::timeseries::{partition, stored_tags};

/// Maximum rows that a page scans. It ends there, matching or not.
const SCANNED: usize = 1_024;
/// Partitions of a namespace that a page assumes while its token has none: the namespace did not exist.
const PARTITIONS: usize = 8;

/// The position at which a Tail begins. That of a whole namespace that does not exist has no partitions yet.
pub(super) async fn position(
    readers: &Readers,
    namespace: &Namespace,
    series: Option<&Series>,
    start: Start,
) -> Result<Position, Error> {
    let name = namespace.as_str().as_bytes();
    let statement = || match series {
        Some(series) => sqlx::query(read_sql::end_of_series()).bind(name).bind(partition::hash(series)),
        None => sqlx::query(read_sql::ends_of_namespace()).bind(name),
    };
    let read = Read::rows(readers, namespace, statement).await?;
    let mut at = ends(&read, series.is_some());
    if start == Start::Beginning {
        at.fill(0);
    }
    Ok(read.at(at))
}

/// Reads a page.
pub(super) async fn tail(readers: &Readers, tail: &Tail) -> Result<TailPage, Error> {
    let after = claimed(&tail.after)?;
    let logs = if tail.series.is_some() { 1 } else { after.len().max(PARTITIONS) };
    let all_match = tail.tags.is_empty() && tail.passed_over.is_none();
    // A page ends at the first event that it cannot hold.
    let most = if all_match { tail.page.items() + 1 } else { SCANNED };
    let scanned = (SCANNED / logs).clamp(1, most);
    let read = Read::rows(readers, &tail.namespace, || statement(tail, &after, scanned)).await?;
    page(tail, read, after.is_empty(), scanned)
}

/// The ends of the logs that a Tail reads.
fn ends(read: &Read, of_series: bool) -> Vec<u64> {
    if of_series && read.heads.is_empty() { vec![0] } else { read.ends() }
}

fn page(tail: &Tail, mut read: Read, is_empty: bool, scanned: usize) -> Result<TailPage, Error> {
    let ends = ends(&read, tail.series.is_some());
    let mut at = if is_empty && tail.series.is_none() {
        // The namespace did not exist: the Tail begins before its first event.
        read.check(&tail.after, &[])?;
        vec![0; ends.len()]
    } else {
        read.check(&tail.after, &ends)?
    };
    let mut swept = read.heads.iter().zip(&at);
    if swept.any(|(head, after)| head.swept.expire(*after, tail.passed_over)) {
        return Err(Error::TokenExpired);
    }
    let mut events = Vec::new();
    let (mut bytes, mut counts) = (0, vec![0; at.len()]);
    for row in std::mem::take(&mut read.rows) {
        let log = read.log(&row)?;
        if let Some((event, name)) = row.event {
            if !is_live(event.time, tail.expired) {
                return Err(Error::TokenExpired);
            }
            let series = tail.series.clone().or(name);
            let series = series.ok_or_else(|| Error::internal("an event has no series"))?;
            let event = SeriesEvent { series, event };
            let weight = event.weight();
            if !tail.page.fits(events.len(), bytes, weight) {
                return Ok(TailPage { events, position: read.at(at), more: true });
            }
            bytes += weight;
            events.push(event);
        }
        at[log] = row.position;
        counts[log] += 1;
    }
    let mut more = false;
    for ((at, end), count) in at.iter_mut().zip(ends).zip(counts) {
        if count == scanned {
            more = true;
        } else {
            *at = end;
        }
    }
    Ok(TailPage { events, position: read.at(at), more })
}

fn statement(tail: &Tail, after: &[u64], scanned: usize) -> Query {
    let name = tail.namespace.as_str().as_bytes();
    let query = match &tail.series {
        Some(series) => sqlx::query(read_sql::tail_of_series())
            .bind(name)
            .bind(partition::hash(series))
            .bind(series.as_str().as_bytes())
            .bind(after.first().copied().map_or(0, bound)),
        None => sqlx::query(read_sql::tail_of_namespace())
            .bind(name)
            .bind(after.iter().copied().map(bound).collect::<Vec<_>>()),
    };
    query
        .bind(tail.passed_over.map_or(i64::MIN, prism_contract::Timestamp::as_micros))
        .bind(stored_tags::needles(&tail.tags))
        .bind(saturated(scanned))
        .bind(tail.without_payload)
        .bind(saturated(tail.page.items()))
        .bind(saturated(tail.page.bytes()))
        .bind(saturated(tail.page.allowance()))
}
