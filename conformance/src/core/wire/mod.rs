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

use super::{Abilities, Ability, Abstraction, Failure};

pub(crate) use connection::{CALL_TIMEOUT, answer, with_timeout, within};
pub use connection::{CaughtUp, Connection};
pub use endpoint::Endpoint;
pub(crate) use failure::{malformed, status};
pub use gateway::{Gateway, Served};
pub use ledger::{Ledger, Leftover, Record};
pub use prism_wire::channel::Options;
pub use probe::Unreachable;
pub use serve::{Drain, Server};
pub use socket::OverGrpc;
pub use spawn::Spawn;

/// An abstraction with a gRPC service.
pub trait Remote: Abstraction {
    /// A server's description.
    type Description: Debug + Clone + Send + Sync + 'static;

    /// The full name of the service.
    const SERVICE: &'static str;

    /// The beginnings of the suite's namespaces, each before the prefix of the run.
    const NAMESPACES: &'static [&'static str] = &[""];

    /// What a ledger counts, such as `record`: in the singular and in the plural.
    const COUNTED: (&'static str, &'static str);

    /// What remains in a server after [`Remote::delete`], as the end of a sentence.
    const REMAINS: &'static str;

    /// The store at the other end of a connection.
    fn store(connection: Connection) -> Arc<Self::Store>;

    /// The routes of the generated service for a store. Its endless streams end when the server drains.
    fn routes(store: Arc<Self::Store>, drain: Drain) -> Routes;

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

    /// What the configuration of a server makes possible beyond requests, read at the start of a run.
    fn configuration(connection: &Connection) -> impl Future<Output = Result<Configuration, Failure>> + Send {
        let _ = connection;
        std::future::ready(Ok(Configuration::default()))
    }

    /// The records that a message writes; none: not a write, or not a valid message.
    fn written(path: &str, message: &Bytes) -> Vec<Record>;

    /// The capability without which [`Remote::delete`] cannot delete; `None`: the server can.
    fn cannot_delete(description: &Self::Description) -> Option<&'static str> {
        let _ = description;
        None
    }

    /// Writes a record that [`Remote::is_there`] finds.
    fn write(
        connection: &Connection,
        namespace: &str,
        id: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Whether the record of [`Remote::write`] is read.
    fn is_there(
        connection: &Connection,
        namespace: &str,
        id: &str,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// Deletes everything in this record.
    fn delete(
        connection: &Connection,
        namespace: &str,
        id: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// What the configuration of a server makes possible beyond requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    /// The abilities that it gives.
    pub abilities: Abilities,
    /// An ability that it does not give, and why: what is configured, and what is needed.
    pub missing: Option<(Ability, String)>,
}

impl Configuration {
    /// Why an ability is missing.
    pub(crate) fn why_missing(&self, ability: Ability) -> String {
        match &self.missing {
            Some((missing, why)) if *missing == ability => why.clone(),
            Some(_) | None => ability.missing().to_owned(),
        }
    }
}
