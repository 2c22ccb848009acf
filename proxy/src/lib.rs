//! The gateway: gRPC in, a backend behind it.
//!
//! - [`config`]: the server's configuration, from flags, the environment and a file.
//! - [`backend`]: opens the backends that the configuration names.
//! - [`catalog`]: which backend serves a namespace, and by which policy.
//! - `control`: the control plane, which changes the catalog at run time.
//! - [`server`]: serves it until a shutdown.
//! - [`metrics`]: what it counts, and the page of it.
//! - [`admin`]: serves that page, liveness and readiness over HTTP.
//! - [`audit`]: writes and verifies the audit log.
//! - [`logging`]: the log of the process.
//! - [`telemetry`]: traces, and the export to a collector.
//! - [`cli`]: the command line of the binary `prism`.
//! - [`exit`]: its exit codes.
//! - [`client`]: its client commands, such as put, get, import and export.
//!
//! Only the commands read the environment: nothing below [`server::run`] does, and the tests call the same `run`.

pub mod admin;
pub mod audit;
pub mod backend;
pub mod catalog;
pub mod cli;
pub mod client;
pub mod config;
mod control;
pub mod exit;
mod fetch;
pub mod logging;
pub mod metrics;
pub mod server;
mod sources;
mod target;
pub mod telemetry;
mod terminal;
