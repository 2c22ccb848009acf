//! One call as every service sees it: who may make it, whether it is let in, and what the log learns of it.

use std::sync::{Arc, OnceLock};

use prism_contract::{Error, Namespace};
use tonic::{Request, Response, Status};

use crate::message::WireResponse;
use crate::slots::{Admission, Slot};
use crate::status::status;

/// What one call learned that its status does not tell, for the log. Put one into a request's extensions, keep a clone,
/// and read it when the call is over.
#[derive(Clone, Default)]
pub struct CallNotes(Arc<Notes>);

#[derive(Default)]
struct Notes {
    namespace: OnceLock<Namespace>,
    error: OnceLock<Error>,
}

impl CallNotes {
    /// The namespace that the request named, if it is a valid one.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.0.namespace.get()
    }

    /// Why the call failed, with the cause that a client is not told (ERR-2).
    pub fn error(&self) -> Option<&Error> {
        self.0.error.get()
    }
}

/// What a caller may do where, decided before the request was decoded. Put one into a request's extensions; a call
/// without one may name any namespace.
#[derive(Clone)]
pub struct NamespaceGuard(Arc<Allows>);

type Allows = dyn Fn(&str) -> Result<(), Error> + Send + Sync;

impl NamespaceGuard {
    /// A guard that answers for each namespace whether the call may go on.
    pub fn new(allows: impl Fn(&str) -> Result<(), Error> + Send + Sync + 'static) -> Self {
        Self(Arc::new(allows))
    }
}

/// Reads what the layers around the service left in the request, asks whether the namespace is allowed, and takes a slot. The
/// request has been read by now.
pub(crate) fn admit<T>(request: &Request<T>, namespace: &str) -> Result<(CallNotes, Option<Slot>), Status> {
    let notes = request.extensions().get::<CallNotes>().cloned().unwrap_or_default();
    if let Ok(namespace) = Namespace::new(namespace) {
        let _ = notes.0.namespace.set(namespace);
    }
    if let Some(guard) = request.extensions().get::<NamespaceGuard>() {
        (guard.0)(namespace).map_err(|error| refuse(&notes, error))?;
    }
    let admission = request.extensions().get::<Admission>();
    let slot = admission.map(|admission| admission.enter(namespace)).transpose();
    let slot = slot.map_err(|error| refuse(&notes, error))?;
    Ok((notes, slot))
}

/// The status of an error, which the call's notes keep.
pub(crate) fn refuse(notes: &CallNotes, error: Error) -> Status {
    let status = status(&error);
    let _ = notes.0.error.set(error);
    status
}

/// The answer to a call, or the status that refuses it.
pub(crate) fn answer<A: WireResponse>(
    notes: &CallNotes,
    answer: Result<A, Error>,
) -> Result<Response<A::Message>, Status> {
    answer.map(|answer| Response::new(answer.into_message())).map_err(|error| refuse(notes, error))
}
