//! The gateway: gRPC in, a backend behind it.
//!
//! - [`config`]: what the server is told, from flags, the environment and a file.
//! - [`backend`]: opens the backend that the configuration names.
//! - [`server`]: serves it until told to stop.
//! - [`cli`]: the commands of the binary `prism`.
//! - [`client`]: those of them that put, read, import and export.
//!
//! `main` gathers, [`server::run`] works: below it nothing reads the environment, and the tests call the same `run`.

pub mod backend;
pub mod cli;
pub mod client;
pub mod config;
mod logging;
pub mod server;
mod sources;
