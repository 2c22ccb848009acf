//! Stores behind gRPC: external servers, servers started by the suite, and in-process stores.
//!
//! - [`Endpoint`]: an external server at an address.
//! - [`Spawn`]: a server that the suite starts, stops and kills.
//! - [`OverGrpc`]: an in-process harness, reached through a socket.
//! - [`Served`]: a custom server, provided as a [`Gateway`].
//! - [`Server`]: an in-process store, served on a loopback port.

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

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use tonic::service::Routes;

use super::{Abstraction, Failure};

pub use connection::Connection;
pub(crate) use connection::{answer, with_timeout};
pub use endpoint::Endpoint;
pub(crate) use failure::{malformed, status};
pub use gateway::{Gateway, Served};
pub use ledger::{Ledger, Leftover};
pub use prism_wire::channel::Options;
pub use probe::Unreachable;
pub use serve::Server;
pub use socket::OverGrpc;
pub use spawn::Spawn;

/// An abstraction with a gRPC service.
pub trait Remote: Abstraction {
    /// A server's description.
    type Description: Debug + Clone + Send + Sync + 'static;

    /// The full name of the service.
    const SERVICE: &'static str;

    /// The store at the other end of a connection.
    fn store(connection: Connection) -> Arc<Self::Store>;

    /// The routes of the generated service for a store.
    fn routes(store: Arc<Self::Store>) -> Routes;

    /// Calls Describe in this namespace.
    fn describe(
        connection: &Connection,
        namespace: &str,
    ) -> impl Future<Output = Result<Self::Description, Failure>> + Send;

    /// The declared capabilities of a server.
    fn described_capabilities(description: &Self::Description) -> Self::Capabilities;

    /// The declared versions of the server and of the contract.
    fn versions(description: &Self::Description) -> (&str, &str);

    /// Whether two servers declare the same capabilities and limits.
    fn is_alike(one: &Self::Description, other: &Self::Description) -> bool;

    /// The namespace and id of the record that a message writes; `None`: not a write, or not a valid message.
    fn written(path: &str, message: &Bytes) -> Option<(String, String)>;

    /// Writes an item that [`Remote::is_there`] finds.
    fn write(
        connection: &Connection,
        namespace: &str,
        id: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Whether the item of [`Remote::write`] is read.
    fn is_there(
        connection: &Connection,
        namespace: &str,
        id: &str,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// Deletes all items of this namespace and id.
    fn delete(
        connection: &Connection,
        namespace: &str,
        id: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}
