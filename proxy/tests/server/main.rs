//! The server over a real connection: the same `run` that the command line calls, on a port of its own.

mod auth;
mod health;
mod lifecycle;
mod limits;
mod log;
mod reflection;
mod statuses;
mod support;
mod tls;
