//! The fast path: unconditional Puts, which need no read first, in one statement with an implicit transaction: one round
//! trip.

use std::collections::HashSet;
use std::time::Duration;

use prism_contract::Timestamp;
use prism_contract::keyvalue::{Put, PutResult};
use sqlx::Row;

use super::locks::Locks;
use super::transaction::column;
use super::write_sql;
use crate::keyvalue::{FullKey, Request, subtractable_micros};
use crate::postgres::engine::Session;

/// The items of unconditional Puts, in the order in which the statement writes them.
pub(in crate::postgres) struct Unconditional<'a> {
    locks: Vec<i64>,
    lines: Vec<Line<'a>>,
    sizes: Vec<usize>,
}

struct Line<'a> {
    full_key: FullKey<'a>,
    put: &'a Put,
    /// The index of the Put in the batch, and of the item in the Put.
    number: usize,
    item: usize,
}

impl<'a> Unconditional<'a> {
    /// `requests` as one statement, if possible: Puts without preconditions, with each key once. A Put of several items
    /// with a token is excluded: if only some items were applied, the answer would need the versions of the others as of
    /// the same snapshot (PUT-3).
    pub(in crate::postgres) fn of(requests: &[Request<'a>], locks: Locks) -> Option<Self> {
        let mut lines = Vec::new();
        let mut sizes = Vec::with_capacity(requests.len());
        for (number, request) in requests.iter().enumerate() {
            let Request::Put(put) = *request else { return None };
            if !put.preconditions.is_empty() || (put.token > 0 && put.items.len() > 1) {
                return None;
            }
            let (namespace, id) = (put.namespace.as_str(), put.id.as_str());
            lines.extend(put.items.iter().enumerate().map(|(item, new)| Line {
                full_key: FullKey { namespace, id, key: new.key.as_bytes() },
                put,
                number,
                item,
            }));
            sizes.push(put.items.len());
        }
        let mut seen = HashSet::with_capacity(lines.len());
        if !lines.iter().all(|line| seen.insert(line.full_key)) {
            return None;
        }
        // Overlapping statements write their rows in the same order, which prevents deadlocks.
        lines.sort_unstable_by_key(|line| (line.full_key.namespace, line.full_key.id, line.full_key.key));
        Some(Self { locks: locks.of_all(requests.iter().map(|request| request.record())), lines, sizes })
    }

    /// Runs the statement. Returns an answer for each Put; `None` for one superseded by its token, which must be repeated
    /// in a transaction. After an error none has taken effect (but see
    /// [`TxFailure::Unavailable`](crate::postgres::engine::TxFailure::Unavailable)).
    pub(in crate::postgres) async fn commit(
        &self,
        session: &mut Session,
        retention: Duration,
    ) -> Result<Vec<Option<Vec<PutResult>>>, sqlx::Error> {
        let lines = &self.lines;
        let query = sqlx::query(write_sql::put_unconditional())
            .bind(self.locks.as_slice())
            .bind(column(lines, |line| line.full_key.namespace.as_bytes()))
            .bind(column(lines, |line| line.full_key.id.as_bytes()))
            .bind(column(lines, |line| line.full_key.key))
            .bind(column(lines, |line| line.put.items[line.item].content_type.as_bytes()))
            .bind(column(lines, |line| line.put.items[line.item].compression))
            .bind(column(lines, |line| line.put.token))
            .bind(column(lines, |line| line.put.now.as_micros()))
            .bind(column(lines, |line| line.put.expires_at.map(Timestamp::as_micros)))
            .bind(column(lines, |line| line.put.items[line.item].value.as_ref()))
            .bind(subtractable_micros(retention));
        let mut rows = session.rows(query).await?.into_iter().peekable();
        let not_applied = PutResult { applied: false, version: 0 };
        let mut answers: Vec<_> = self.sizes.iter().map(|size| Some(vec![not_applied; *size])).collect();
        for line in lines {
            let applied = match rows.peek() {
                Some(row) if line.is_at(row)? => Some(row.try_get(3)?),
                Some(_) | None => None,
            };
            match (applied, &mut answers[line.number]) {
                (Some(version), Some(results)) => {
                    results[line.item] = PutResult { applied: true, version };
                    rows.next();
                }
                (Some(_), None) => {
                    rows.next();
                }
                (None, answer) => *answer = None,
            }
        }
        Ok(answers)
    }
}

impl Line<'_> {
    /// Whether a row of the answer is for this line.
    fn is_at(&self, row: &sqlx::postgres::PgRow) -> Result<bool, sqlx::Error> {
        let FullKey { namespace, id, key } = self.full_key;
        let (at_namespace, at_id, at_key): (&[u8], &[u8], &[u8]) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok(at_key == key && at_id == id.as_bytes() && at_namespace == namespace.as_bytes())
    }
}
