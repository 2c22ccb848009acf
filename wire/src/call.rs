//! The part of a call that is common to all services: authorization, admission, and notes for the log.

use std::sync::{Arc, OnceLock};

use prism_contract::{Error, Namespace};
use tonic::{Request, Response, Status};

use crate::message::WireResponse;
use crate::slots::{Admission, Slot};
use crate::status::status;

/// Facts about a call for the log that its status does not contain. Put one into a request's extensions, keep a clone, and
/// read it when the call has ended.
#[derive(Clone, Default)]
pub struct CallNotes(Arc<Notes>);

#[derive(Default)]
struct Notes {
    namespace: OnceLock<Namespace>,
    error: OnceLock<Error>,
}

impl CallNotes {
    /// The request's namespace, if valid.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.0.namespace.get()
    }

    /// Why the call failed, with the cause that is not sent to the client (ERR-2).
    pub fn error(&self) -> Option<&Error> {
        self.0.error.get()
    }
}

/// The namespace check of a caller, set up before the request is decoded. Put one into a request's extensions; a call
/// without one may use any namespace.
#[derive(Clone)]
pub struct NamespaceGuard(Arc<Allows>);

type Allows = dyn Fn(&str) -> Result<(), Error> + Send + Sync;

impl NamespaceGuard {
    /// A guard that decides for each namespace whether the call may proceed.
    pub fn new(allows: impl Fn(&str) -> Result<(), Error> + Send + Sync + 'static) -> Self {
        Self(Arc::new(allows))
    }
}

/// Takes the layers' state from the request, checks the namespace, and takes a slot. The request has been read completely.
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

/// The response to a call, or the status that refuses it.
pub(crate) fn answer<A: WireResponse>(
    notes: &CallNotes,
    answer: Result<A, Error>,
) -> Result<Response<A::Message>, Status> {
    answer.map(|answer| Response::new(answer.into_message())).map_err(|error| refuse(notes, error))
}
