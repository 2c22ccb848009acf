//! The number of partitions of each namespace, which is fixed once it is created.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use prism_contract::timeseries::{Append, Partitions as Configured};
use prism_contract::{Error, Namespace};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::saturated;
use super::write_sql::{CREATE_NAMESPACES, NAMESPACES};
use crate::engine::CorruptRow;
use crate::postgres::engine::{Session, Sessions, translate};
use crate::postgres::keyvalue::column;

/// Maximum namespaces that are remembered.
const REMEMBERED: usize = 10_000;

/// Namespaces read at a time.
const PAGE: usize = 1_000;

/// The namespaces after a name, with their partitions. Parameters: name and rows.
const NAMESPACES_AFTER: &str =
    "SELECT name, partitions FROM prism_ts_namespaces WHERE name > $1 ORDER BY name LIMIT $2";

/// Finds a namespace with another number of partitions than the configured one.
pub(super) async fn repartitioned(
    sessions: &Sessions,
    configured: Configured<'_>,
) -> Result<Option<(Namespace, u32)>, Error> {
    let mut after = Vec::new();
    loop {
        let work = async |session: &mut Session| {
            let query = sqlx::query(NAMESPACES_AFTER).bind(after.as_slice()).bind(saturated(PAGE));
            session.rows(query).await?.iter().map(stored).collect::<Result<Vec<_>, _>>()
        };
        let page = sessions.with(work).await.map_err(translate)?;
        let is_last = page.len() < PAGE;
        for (name, partitions) in page {
            let fixed = partitions.cast_unsigned();
            if configured(&name).is_some_and(|configured| configured != fixed) {
                return Ok(Some((name, fixed)));
            }
            after = name.as_str().as_bytes().to_vec();
        }
        if is_last {
            return Ok(None);
        }
    }
}

/// A namespace, and its number of partitions.
fn stored(row: &PgRow) -> Result<(Namespace, i32), sqlx::Error> {
    let name = std::str::from_utf8(row.try_get(0)?).map_err(CorruptRow::because)?;
    Ok((Namespace::new(name).map_err(CorruptRow::because)?, row.try_get(1)?))
}

/// The partitions of the namespaces that were written to. What is remembered is checked under the lock of a partition: a
/// restored database may have other namespaces.
#[derive(Default)]
pub(super) struct Namespaces(Mutex<HashMap<Namespace, i32>>);

/// The partitions of some namespaces.
pub(super) type Partitions = HashMap<Namespace, i32>;

impl Namespaces {
    /// The partitions of these Appends' namespaces. A namespace is created if one of its Appends can be its first: it has no
    /// event outside its window, which would have to be there already.
    pub(super) async fn of(
        &self,
        session: &mut Session,
        appends: &[&Append],
    ) -> Result<Partitions, sqlx::Error> {
        let mut unknown: BTreeMap<&str, Option<i32>> = BTreeMap::new();
        let mut known = Partitions::new();
        {
            let remembered = self.remembered();
            for append in appends {
                if let Some(partitions) = remembered.get(&append.namespace) {
                    known.insert(append.namespace.clone(), *partitions);
                    continue;
                }
                let first = unknown.entry(append.namespace.as_str()).or_default();
                if append.outside().next().is_none() {
                    first.get_or_insert(append.partitions.cast_signed());
                }
            }
        }
        if unknown.is_empty() {
            return Ok(known);
        }
        for attempt in 0..2 {
            let names: Vec<_> = unknown.keys().map(|name| name.as_bytes()).collect();
            for row in session.rows(sqlx::query(NAMESPACES).bind(names)).await? {
                let (name, partitions) = stored(&row)?;
                unknown.remove(name.as_str());
                known.insert(name, partitions);
            }
            let new: Vec<_> = unknown.iter().filter_map(|(name, first)| Some((*name, (*first)?))).collect();
            if new.is_empty() || attempt == 1 {
                break;
            }
            // In the order of the names, which prevents deadlocks.
            let create = sqlx::query(CREATE_NAMESPACES)
                .bind(column(&new, |(name, _)| name.as_bytes()))
                .bind(column(&new, |(_, partitions)| *partitions));
            session.execute(create).await?;
        }
        let mut remembered = self.remembered();
        if remembered.len() + known.len() > REMEMBERED {
            remembered.clear();
        }
        remembered.extend(known.iter().map(|(name, partitions)| (name.clone(), *partitions)));
        Ok(known)
    }

    /// Forgets all: one of them was not as remembered.
    pub(super) fn forget(&self) {
        self.remembered().clear();
    }

    /// A std mutex: never held across an await, and no panic can leave it half changed.
    fn remembered(&self) -> MutexGuard<'_, Partitions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
