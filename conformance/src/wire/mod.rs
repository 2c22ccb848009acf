//! Stores behind gRPC: a server that somebody runs, one that the suite starts, and any store of this process.
//!
//! - [`Endpoint`]: a server at an address.
//! - [`Spawn`]: a server that the suite starts, stops and kills.
//! - [`OverGrpc`]: any harness of this process, reached through a socket.
//! - [`Served`]: any other way to have a server, brought as a [`Gateway`].
//! - [`Server`]: any [`Store`](crate::Store), served.

mod command;
mod connection;
mod endpoint;
mod failure;
mod gateway;
mod ledger;
mod probe;
mod raw;
mod serve;
mod socket;
mod spawn;

pub use connection::Connection;
pub use endpoint::Endpoint;
pub use gateway::{Gateway, Served};
pub use ledger::{Ledger, Leftover};
pub use prism_wire::channel::Options;
pub use probe::Unreachable;
pub use serve::Server;
pub use socket::OverGrpc;
pub use spawn::Spawn;
