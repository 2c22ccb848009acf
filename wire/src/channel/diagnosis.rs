//! Why a connection broke, where the call that it broke under does not tell.

use std::error::Error;
use std::io;
use std::iter::successors;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tonic::{Code, Status};

use super::fault::Fault;
use super::{LOST, by_contract};

/// What is known of a client's connections beside what its calls report. Clones share it.
///
/// The framework ends a connection with its error and the calls on it with "cancelled", so what the first bytes of a connection
/// told is kept here. And in TLS 1.3 a client has ended its handshake before the server refuses it for want of a certificate, so
/// connecting succeeds, and the alert that says why ends the connection and not a call; what can be seen is that the connection
/// broke before anything was answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Diagnosis(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The client speaks TLS and has no certificate.
    anonymous: bool,
    /// The server has answered a call.
    answered: AtomicBool,
    /// What the first bytes of the last connection told: a place in [`Fault::ALL`], counted from one; 0: nothing is wrong.
    fault: AtomicUsize,
}

impl Diagnosis {
    pub(super) fn new(anonymous: bool) -> Self {
        Self(Arc::new(Known { anonymous, ..Known::default() }))
    }

    /// Takes note of what the first bytes of a connection told.
    pub(super) fn began(&self, fault: Option<Fault>) {
        let place = fault.and_then(|fault| Fault::ALL.iter().position(|other| *other == fault));
        self.0.fault.store(place.map_or(0, |place| place + 1), Ordering::Relaxed);
    }

    /// The answer to a call; where its connection broke, with the reason if it is known.
    pub(super) fn observe<T>(&self, answer: Result<T, Status>) -> Result<T, Status> {
        match answer {
            // Only a status that was made here has a source.
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

    /// Why a connection that broke did so.
    fn fault(&self) -> Option<Fault> {
        let place = self.0.fault.load(Ordering::Relaxed).checked_sub(1);
        let unanswered = self.0.anonymous && !self.0.answered.load(Ordering::Relaxed);
        place.and_then(|place| Fault::ALL.get(place).copied()).or(unanswered.then_some(Fault::EndsUnanswered))
    }
}

/// Whether the connection was there and broke, as far as the system says.
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

    /// A call that was queued on a connection as it ended.
    fn cancelled() -> Status {
        let mut status = Status::cancelled("operation was canceled");
        status.set_source(Arc::new(io::Error::other("operation was canceled")));
        status
    }

    fn observed(diagnosis: &Diagnosis, status: Status) -> Option<Fault> {
        Fault::read(diagnosis.observe(Err::<(), _>(status)).unwrap_err().message())
    }

    #[test]
    fn a_connection_that_breaks_before_the_first_answer_may_want_a_certificate_and_later_it_does_not() {
        let diagnosis = Diagnosis::new(true);
        assert_eq!(observed(&diagnosis, broken()), Some(Fault::EndsUnanswered));
        assert_eq!(observed(&diagnosis, cancelled()), Some(Fault::EndsUnanswered));
        assert_eq!(observed(&diagnosis, Status::not_found("an answer")), None);
        assert_eq!(observed(&diagnosis, broken()), None);
    }

    #[test]
    fn a_client_with_a_certificate_or_without_tls_is_asked_for_none() {
        assert_eq!(observed(&Diagnosis::new(false), broken()), None);
    }

    #[test]
    fn a_call_that_is_cancelled_with_its_connection_is_told_what_the_connection_began_with() {
        let diagnosis = Diagnosis::new(false);
        diagnosis.began(Some(Fault::SpeaksTls));
        for status in [broken(), cancelled()] {
            assert_eq!(observed(&diagnosis, status), Some(Fault::SpeaksTls));
        }
        diagnosis.began(None);
        assert_eq!(observed(&diagnosis, cancelled()), None);
    }
}
