//! Tests of the Postgres backend beyond the conformance suite: opening, group commit, several stores, sweeps, outages; and a
//! differential test against SQLite.

#[path = "../common/mod.rs"]
mod common;

mod batched_reads;
mod cancelled;
mod check;
mod differential;
mod failover;
mod open;
mod outage;
mod pooler;
mod several;
mod slots;
mod sweep;
mod test_db;
mod timeseries;
mod writes;
