//! What the server knows of a call, from its first layer to its last.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use http::Request;
use tokio::time::Instant;

use super::connection::Connection;
use super::methods::{self, Method};

/// A call, among the extensions of its request. Clones are the same call.
#[derive(Clone)]
pub(super) struct Call(Arc<Known>);

struct Known {
    /// `None`: it is not one of Prism's own methods.
    method: Option<&'static Method>,
    /// `None`: it came over no connection, as in a test of one layer.
    connection: Option<Arc<Connection>>,
    caller: OnceLock<String>,
    deadline: OnceLock<Instant>,
}

impl Call {
    /// A call of what is at `path`.
    pub(super) fn new(path: &str, connection: Option<Arc<Connection>>) -> Self {
        Self(Arc::new(Known {
            method: methods::at(path),
            connection,
            caller: OnceLock::new(),
            deadline: OnceLock::new(),
        }))
    }

    /// The call that `request` is.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let known = request.extensions().get::<Self>();
        known.cloned().unwrap_or_else(|| Self::new(request.uri().path(), None))
    }

    /// What the schema says of its method; `None`: it is another's, such as health or reflection, or there is no such method.
    pub(super) fn method(&self) -> Option<&'static Method> {
        self.0.method
    }

    /// The connection that it came over.
    pub(super) fn connection(&self) -> Option<&Arc<Connection>> {
        self.0.connection.as_ref()
    }

    /// Where its client is.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.connection().map(|connection| connection.peer())
    }

    /// It carried the token of this name.
    pub(super) fn made_by(&self, name: &str) {
        let _ = self.0.caller.set(name.to_owned());
    }

    /// The name of the token that it carried, once that is known.
    pub(super) fn caller(&self) -> Option<&str> {
        self.0.caller.get().map(String::as_str)
    }

    /// It was answered; its deadline was this.
    pub(super) fn answered(&self, deadline: Instant) {
        let _ = self.0.deadline.set(deadline);
    }

    /// Its deadline, once it was answered.
    pub(super) fn deadline_of_answer(&self) -> Option<Instant> {
        self.0.deadline.get().copied()
    }
}
