//! The Postgres backend beyond what the suite sees: opening, joined writes, several stores, sweeps, outages; and the same
//! random operations to SQLite and Postgres at once.

#[path = "../common/mod.rs"]
mod common;

mod batched_reads;
mod differential;
mod failover;
mod given_up;
mod open;
mod outage;
mod place;
mod pooler;
mod several;
mod slots;
mod sweep;
mod writes;
