//! KeyValue in a SQLite file: its schema, its statements, and its write transactions.

mod check;
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

pub(in crate::sqlite) use check::CHECKS;
pub(in crate::sqlite) use commit::KeyValueCommit;
pub(in crate::sqlite) use rewrite::Rewriter;
pub(in crate::sqlite) use select::Readers;

/// The first migration of KeyValue.
pub(in crate::sqlite) const ITEMS: &str =
    include_str!("../../../../migrations/sqlite/keyvalue/0001_items.sql");
