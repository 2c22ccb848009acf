//! KeyValue in a SQLite file: its schema, its statements, and its write transactions.

mod commit;
mod decode;
#[cfg(test)]
mod plans;
mod reserved_versions;
mod rewrite;
mod select;
mod sql;
mod sweep;
mod unconditional;

use super::engine::Schema;

pub(in crate::sqlite) use commit::KeyValueCommit;
pub(in crate::sqlite) use rewrite::Rewriter;
pub(in crate::sqlite) use select::Readers;

/// The schema version this crate works with: the number of its migrations.
pub const SCHEMA_VERSION: i64 = SCHEMA.version();

/// The schema of KeyValue.
pub(in crate::sqlite) const SCHEMA: Schema = Schema {
    migrations: &[include_str!("../../../../migrations/sqlite/keyvalue/0001_items.sql")],
    touch: "UPDATE versions SET last = last",
    read: "SELECT last FROM versions",
};
