//! A client without a certificate, whose server may ask for one.

use std::error::Error;
use std::io;
use std::iter::successors;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tonic::{Code, Status};

use super::fault::Fault;
use super::{LOST, by_contract};

/// Tells a server that refuses a client without a certificate from one whose connection was lost. In TLS 1.3 the client has ended its
/// handshake before the server refuses it, so connecting succeeds; the alert that says why ends the connection and not a call. What
/// can be seen is that the connection broke before anything was answered.
#[derive(Debug, Clone, Default)]
pub struct Anonymous {
    /// Whether the server answered once; `None`: a certificate was given, or there is no TLS.
    answered: Option<Arc<AtomicBool>>,
}

impl Anonymous {
    pub(super) fn new(is_anonymous: bool) -> Self {
        Self { answered: is_anonymous.then(Arc::default) }
    }

    /// The answer to a call, with what is to be made of it if it is a connection that broke: [`Fault::EndsUnanswered`].
    pub fn observe<T>(&self, answer: Result<T, Status>) -> Result<T, Status> {
        let Some(answered) = &self.answered else { return answer };
        match answer {
            // Only a status that was made here has a source.
            Err(status) if status.source().is_some() && !answered.load(Ordering::Relaxed) => {
                let broken = is_broken(&status);
                let status = by_contract(status);
                Err(if broken || (status.code() == Code::Unavailable && status.message() == LOST) {
                    Status::unavailable(Fault::EndsUnanswered.to_string())
                } else {
                    status
                })
            }
            Err(status) if status.source().is_some() => Err(status),
            answer => {
                answered.store(true, Ordering::Relaxed);
                answer
            }
        }
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

    fn observed(anonymous: &Anonymous, status: Status) -> Option<Fault> {
        Fault::read(anonymous.observe(Err::<(), _>(status)).unwrap_err().message())
    }

    #[test]
    fn a_connection_that_breaks_before_the_first_answer_may_want_a_certificate_and_later_it_does_not() {
        let anonymous = Anonymous::new(true);
        assert_eq!(observed(&anonymous, broken()), Some(Fault::EndsUnanswered));
        assert_eq!(observed(&anonymous, Status::not_found("an answer")), None);
        assert_eq!(observed(&anonymous, broken()), None);
    }

    #[test]
    fn a_client_with_a_certificate_or_without_tls_is_asked_for_none() {
        assert_eq!(observed(&Anonymous::new(false), broken()), None);
    }
}
