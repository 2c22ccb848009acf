//! The state of a call that the layers share.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use http::{HeaderValue, Request};
use tokio::time::Instant;

use super::connection::Connection;
use super::methods::{self, Method};

/// A call, kept in its request's extensions. Clones share the state.
#[derive(Clone)]
pub(super) struct Call(Arc<Inner>);

struct Inner {
    /// `None`: not a method of a Prism service.
    method: Option<&'static Method>,
    /// `None` in tests of a single layer.
    connection: Option<Arc<Connection>>,
    begun: OnceLock<(HeaderValue, std::time::Instant)>,
    caller: OnceLock<String>,
    refusal: OnceLock<String>,
    deadline: OnceLock<Instant>,
}

impl Call {
    /// A call of the method at `path`.
    pub(super) fn new(path: &str, connection: Option<Arc<Connection>>) -> Self {
        Self(Arc::new(Inner {
            method: methods::find(path),
            connection,
            begun: OnceLock::new(),
            caller: OnceLock::new(),
            refusal: OnceLock::new(),
            deadline: OnceLock::new(),
        }))
    }

    /// The call of `request`.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let call = request.extensions().get::<Self>();
        call.cloned().unwrap_or_else(|| Self::new(request.uri().path(), None))
    }

    /// Its method; `None` for health, reflection and unknown methods.
    pub(super) fn method(&self) -> Option<&'static Method> {
        self.0.method
    }

    /// The connection it arrived on.
    pub(super) fn connection(&self) -> Option<&Arc<Connection>> {
        self.0.connection.as_ref()
    }

    /// The client's address.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.connection().map(|connection| connection.peer())
    }

    /// Sets its id for the log, and when it began.
    pub(super) fn begin(&self, request_id: &HeaderValue, at: std::time::Instant) {
        let _ = self.0.begun.set((request_id.clone(), at));
    }

    /// Its id for the log, and when it began.
    pub(super) fn begun(&self) -> Option<&(HeaderValue, std::time::Instant)> {
        self.0.begun.get()
    }

    /// Sets the name of its caller.
    pub(super) fn set_caller(&self, name: &str) {
        let _ = self.0.caller.set(name.to_owned());
    }

    /// The name of its caller, once authenticated.
    pub(super) fn caller(&self) -> Option<&str> {
        self.0.caller.get().map(String::as_str)
    }

    /// Sets why its credentials were refused.
    pub(super) fn set_refusal(&self, why: String) {
        let _ = self.0.refusal.set(why);
    }

    /// Why its credentials were refused, for the log; the client does not learn it.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.0.refusal.get().map(String::as_str)
    }

    /// Sets the deadline, once the response has begun.
    pub(super) fn set_response_deadline(&self, deadline: Instant) {
        let _ = self.0.deadline.set(deadline);
    }

    /// The deadline, once the response has begun.
    pub(super) fn response_deadline(&self) -> Option<Instant> {
        self.0.deadline.get().copied()
    }
}
