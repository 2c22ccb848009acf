//! The server over a real connection: the same `run` that the command line calls, on a port of its own.

mod auth;
mod gone;
mod health;
mod lifecycle;
mod limits;
mod log;
mod raw;
mod reflection;
mod statuses;
mod strangers;
mod support;
mod tls;
