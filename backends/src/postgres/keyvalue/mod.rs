//! KeyValue in a Postgres database: its schema, its statements, and its write transactions.

mod check;
mod commit;
mod decode;
mod locks;
mod page_sql;
#[cfg(test)]
mod plans;
mod rewrite;
mod select;
mod sweep;
mod transaction;
mod unconditional;
mod write_sql;

use super::engine::Schema;

pub(in crate::postgres) use check::{CHECKS, IS_SWEEPABLE};
pub(in crate::postgres) use commit::KeyValueCommit;
pub(in crate::postgres) use locks::Locks;
pub(in crate::postgres) use rewrite::rewrite;
pub(in crate::postgres) use select::Readers;
pub(in crate::postgres) use transaction::{column, end};

/// The schema version this crate works with: the number of its migrations.
pub const SCHEMA_VERSION: i64 = SCHEMA.version();

/// The schema of KeyValue.
pub(in crate::postgres) const SCHEMA: Schema = Schema {
    table: "prism_schema",
    migrations: &[include_str!("../../../../migrations/postgres/keyvalue/0001_items.sql")],
};
