//! The part of a call that is common to all services: authorization, admission, and notes for the log and for an audit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use prism_contract::{Error, Namespace};
use tonic::{Request, Response, Status};

use crate::message::WireResponse;
use crate::slots::{Admission, Slot};
use crate::status::status;
use crate::subject::Subject;

/// Facts about a call for the log and for an audit that its status does not contain. Put one into a request's extensions,
/// keep a clone, and read it when the call has ended.
#[derive(Clone, Default)]
pub struct CallNotes(Arc<Notes>);

#[derive(Default)]
struct Notes {
    namespace: OnceLock<Namespace>,
    error: OnceLock<Error>,
    audit: OnceLock<AuditCheck>,
    subject: OnceLock<Subject>,
    admitted: OnceLock<Instant>,
    messages: AtomicU64,
}

impl CallNotes {
    /// Asks for the subject of the call, if `check` wants it once the namespace is known. Only the first check counts.
    pub fn set_audit(&self, check: AuditCheck) {
        let _ = self.0.audit.set(check);
    }

    /// The subject of the call, if an audit asked for it and its request was read.
    pub fn subject(&self) -> Option<&Subject> {
        self.0.subject.get()
    }

    /// When the request had been read and its slot was taken; `None`: it was not.
    pub fn admitted(&self) -> Option<Instant> {
        self.0.admitted.get().copied()
    }

    /// The number of messages that a response stream has had so far.
    pub fn messages(&self) -> u64 {
        self.0.messages.load(Ordering::Relaxed)
    }

    /// Counts a message of a response stream.
    pub(crate) fn count_message(&self) {
        self.0.messages.fetch_add(1, Ordering::Relaxed);
    }

    /// The status of an error, whose cause is kept for the log unless an earlier error was kept.
    pub fn refuse(&self, error: Error) -> Status {
        let status = status(&error);
        let _ = self.0.error.set(error);
        status
    }

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

    /// Whether the call may use a namespace.
    pub fn allows(&self, namespace: &str) -> bool {
        (self.0)(namespace).is_ok()
    }
}

/// Decides whether a call is audited, set up before the request is decoded ([`CallNotes::set_audit`]).
#[derive(Clone)]
pub struct AuditCheck(Arc<Audits>);

type Audits = dyn Fn(&str) -> Result<bool, Error> + Send + Sync;

impl AuditCheck {
    /// A check that decides for each valid namespace whether the call is audited, or refuses the call before it is executed.
    pub fn new(audits: impl Fn(&str) -> Result<bool, Error> + Send + Sync + 'static) -> Self {
        Self(Arc::new(audits))
    }
}

/// A request whose subject an audit records.
pub(crate) trait HasSubject {
    /// The subject, before the request is validated.
    fn subject(&self) -> Subject;
}

/// Takes the layers' state from the request, checks the namespace, and takes a slot. The request has been read completely.
/// `subject` is asked for the data that an audited call names.
///
/// # Errors
/// The status that refuses the call.
pub fn admit<T>(
    request: &Request<T>,
    namespace: &str,
    subject: impl FnOnce(&T) -> Subject,
) -> Result<(CallNotes, Option<Slot>), Status> {
    let notes = notes(request);
    if let Ok(namespace) = Namespace::new(namespace) {
        // Before the guard: a call that the guard refuses is audited too.
        if let Some(check) = notes.0.audit.get()
            && (check.0)(namespace.as_str()).map_err(|error| notes.refuse(error))?
        {
            let _ = notes.0.subject.set(subject(request.get_ref()));
        }
        let _ = notes.0.namespace.set(namespace);
    }
    if let Some(guard) = request.extensions().get::<NamespaceGuard>() {
        (guard.0)(namespace).map_err(|error| notes.refuse(error))?;
    }
    let slot = enter(request, namespace).map_err(|error| notes.refuse(error))?;
    let _ = notes.0.admitted.set(Instant::now());
    Ok((notes, slot))
}

/// The notes of a request's call.
pub fn notes<T>(request: &Request<T>) -> CallNotes {
    request.extensions().get::<CallNotes>().cloned().unwrap_or_default()
}

/// A slot for a call that counts for `namespace`; `None`: the server has no limit.
///
/// # Errors
/// [`Error::ResourceExhausted`] if all slots are taken.
pub fn enter<T>(request: &Request<T>, namespace: &str) -> Result<Option<Slot>, Error> {
    let admission = request.extensions().get::<Admission>();
    admission.map(|admission| admission.enter(namespace)).transpose()
}

/// The response to a call, or the status that refuses it.
pub(crate) fn answer<A: WireResponse>(
    notes: &CallNotes,
    answer: Result<A, Error>,
) -> Result<Response<A::Message>, Status> {
    answer.map(|answer| Response::new(answer.into_message())).map_err(|error| notes.refuse(error))
}
