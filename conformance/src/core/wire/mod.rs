//! Stores behind gRPC: a server that somebody runs, one that the suite starts, and any store of this process.
//!
//! - [`Endpoint`]: a server at an address.
//! - [`Spawn`]: a server that the suite starts, stops and kills.
//! - [`OverGrpc`]: any harness of this process, reached through a socket.
//! - [`Served`]: any other way to have a server, brought as a [`Gateway`].
//! - [`Server`]: any store, served.

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
pub(crate) use connection::{answer, in_time};
pub use endpoint::Endpoint;
pub(crate) use failure::{malformed, status};
pub use gateway::{Gateway, Served};
pub use ledger::{Ledger, Leftover};
pub use prism_wire::channel::Options;
pub use probe::Unreachable;
pub use serve::Server;
pub use socket::OverGrpc;
pub use spawn::Spawn;

/// An abstraction that is reached by gRPC.
pub trait Remote: Abstraction {
    /// What a server says of itself.
    type Description: Debug + Clone + Send + Sync + 'static;

    /// The full name of its service.
    const SERVICE: &'static str;

    /// The store at the other end of a connection.
    fn store(connection: Connection) -> Arc<Self::Store>;

    /// Serves a store by its generated service.
    fn routes(store: Arc<Self::Store>) -> Routes;

    /// Asks a server what it claims, in this namespace.
    fn describe(
        connection: &Connection,
        namespace: &str,
    ) -> impl Future<Output = Result<Self::Description, Failure>> + Send;

    /// What a server claims.
    fn claims(description: &Self::Description) -> Self::Capabilities;

    /// The versions of a server and of the contract that it states.
    fn versions(description: &Self::Description) -> (&str, &str);

    /// Whether two servers claim the same, limits included.
    fn is_alike(one: &Self::Description, other: &Self::Description) -> bool;

    /// The namespace and id of what a message writes; `None`: it is no write, or no message.
    fn written(path: &str, message: &Bytes) -> Option<(String, String)>;

    /// Writes something that [`Remote::is_there`] finds.
    fn write(
        connection: &Connection,
        namespace: &str,
        id: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Whether what [`Remote::write`] wrote is read.
    fn is_there(
        connection: &Connection,
        namespace: &str,
        id: &str,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// Deletes everything of this namespace and id.
    fn delete(
        connection: &Connection,
        namespace: &str,
        id: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}
