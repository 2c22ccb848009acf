//! The reason for a broken connection, if the failed call does not report it.

use std::error::Error;
use std::io;
use std::iter::successors;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tonic::{Code, Status};

use super::fault::Fault;
use super::{LOST, by_contract};

/// Knowledge about a client's connections beyond the results of its calls. Clones share it.
///
/// The framework ends a connection with its error but the calls on it with "cancelled", so the fault found in the first
/// bytes of a connection is kept here. In TLS 1.3 a client completes its handshake before the server rejects it for lack of
/// a certificate, so connecting succeeds, and the alert with the reason ends the connection and not a call; all that can be
/// observed is that the connection broke before the first response.
#[derive(Debug, Clone, Default)]
pub(super) struct Diagnosis(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The client uses TLS without a certificate.
    anonymous: bool,
    /// The server has responded to a call.
    answered: AtomicBool,
    /// The fault found in the first bytes of the last connection: an index into [`Fault::ALL`] plus one; 0: none.
    fault: AtomicUsize,
}

impl Diagnosis {
    pub(super) fn new(anonymous: bool) -> Self {
        Self(Arc::new(Inner { anonymous, ..Inner::default() }))
    }

    /// Records the fault found in the first bytes of a connection.
    pub(super) fn set_fault(&self, fault: Option<Fault>) {
        let index = fault.and_then(|fault| Fault::ALL.iter().position(|other| *other == fault));
        self.0.fault.store(index.map_or(0, |index| index + 1), Ordering::Relaxed);
    }

    /// The result of a call; if its connection broke, with the reason if known.
    pub(super) fn observe<T>(&self, answer: Result<T, Status>) -> Result<T, Status> {
        match answer {
            // Only a status made by the client has a source.
            Err(status) if status.source().is_some() => {
                let broken = is_broken(&status);
                let status = by_contract(status);
                let lost = status.code() == Code::Unavailable && status.message() == LOST;
                match self.fault().filter(|_| broken || lost) {
                    Some(fault) => Err(Status::unavailable(fault.to_string())),
                    None => Err(status),
                }
            }
            answer => {
                if !self.0.answered.load(Ordering::Relaxed) {
                    self.0.answered.store(true, Ordering::Relaxed);
                }
                answer
            }
        }
    }

    /// The reason for a broken connection.
    fn fault(&self) -> Option<Fault> {
        let index = self.0.fault.load(Ordering::Relaxed).checked_sub(1);
        let unanswered = self.0.anonymous && !self.0.answered.load(Ordering::Relaxed);
        index.and_then(|index| Fault::ALL.get(index).copied()).or(unanswered.then_some(Fault::EndsUnanswered))
    }
}

/// Whether an established connection broke, according to the operating system.
fn is_broken(status: &Status) -> bool {
    successors(status.source(), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken() -> Status {
        Status::from_error(Box::new(io::Error::from(io::ErrorKind::ConnectionReset)))
    }

    /// The status of a call queued on a connection as it ended.
    fn cancelled() -> Status {
        let mut status = Status::cancelled("operation was canceled");
        status.set_source(Arc::new(io::Error::other("operation was canceled")));
        status
    }

    fn observed(diagnosis: &Diagnosis, status: Status) -> Option<Fault> {
        Fault::read(diagnosis.observe(Err::<(), _>(status)).unwrap_err().message())
    }

    #[test]
    fn only_a_connection_that_breaks_before_the_first_response_may_need_a_certificate() {
        let diagnosis = Diagnosis::new(true);
        assert_eq!(observed(&diagnosis, broken()), Some(Fault::EndsUnanswered));
        assert_eq!(observed(&diagnosis, cancelled()), Some(Fault::EndsUnanswered));
        assert_eq!(observed(&diagnosis, Status::not_found("an answer")), None);
        assert_eq!(observed(&diagnosis, broken()), None);
    }

    #[test]
    fn a_certificate_is_not_suggested_if_there_is_one_or_no_tls() {
        assert_eq!(observed(&Diagnosis::new(false), broken()), None);
    }

    #[test]
    fn a_call_cancelled_with_its_connection_reports_the_connections_fault() {
        let diagnosis = Diagnosis::new(false);
        diagnosis.set_fault(Some(Fault::SpeaksTls));
        for status in [broken(), cancelled()] {
            assert_eq!(observed(&diagnosis, status), Some(Fault::SpeaksTls));
        }
        diagnosis.set_fault(None);
        assert_eq!(observed(&diagnosis, cancelled()), None);
    }
}
