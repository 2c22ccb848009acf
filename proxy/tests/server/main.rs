//! The server over a real connection: the same `run` as the command line, on a separate port.

mod audit;
mod auth;
mod borders;
mod callers;
mod control;
mod gone;
mod health;
mod hostile;
mod lifecycle;
mod limits;
mod log;
mod metrics;
mod namespaces;
mod raw;
mod reflection;
mod statuses;
mod support;
mod timeseries;
mod tls;

#[path = "../schema/mod.rs"]
mod schema;
