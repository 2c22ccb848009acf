//! Replaces certificates and callers of a running server.

use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::TlsAcceptor;

use super::{AuthState, TlsError, TlsPem};

/// Replaces the certificates and the callers of a server. Clones act on the same server: put one into
/// [`Options::reload`](super::Options), and keep another.
#[derive(Clone, Default)]
pub struct Reload(Arc<Shared>);

#[derive(Default)]
struct Shared {
    tls: RwLock<Transport>,
    auth: RwLock<AuthState>,
}

#[derive(Default)]
enum Transport {
    #[default]
    NotStarted,
    Plain,
    Tls(TlsAcceptor),
}

impl Reload {
    /// Replaces the certificate, the key and the client CA. Handshakes from then on use the new ones; connections that exist
    /// keep theirs. On an error nothing changes. A server without TLS cannot change to TLS, nor can one that does not run yet.
    pub fn tls(&self, pem: &TlsPem) -> Result<(), TlsError> {
        let acceptor = pem.acceptor()?;
        let mut transport = self.0.tls.write().unwrap_or_else(PoisonError::into_inner);
        match &mut *transport {
            Transport::NotStarted | Transport::Plain => Err(TlsError::NotServed),
            Transport::Tls(current) => {
                *current = acceptor;
                Ok(())
            }
        }
    }

    /// Replaces the callers. Calls from then on are decided by the new ones, also on connections that exist.
    pub fn auth(&self, auth: AuthState) {
        let mut current = self.0.auth.write().unwrap_or_else(PoisonError::into_inner);
        auth.begin_with(&current);
        *current = auth;
    }

    /// The state that a server starts with.
    pub(super) fn start(&self, tls: Option<TlsAcceptor>, auth: AuthState) {
        *self.0.tls.write().unwrap_or_else(PoisonError::into_inner) =
            tls.map_or(Transport::Plain, Transport::Tls);
        self.auth(auth);
    }

    /// For the next handshake; `None`: plain text.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        match &*self.0.tls.read().unwrap_or_else(PoisonError::into_inner) {
            Transport::NotStarted | Transport::Plain => None,
            Transport::Tls(acceptor) => Some(acceptor.clone()),
        }
    }

    /// For the next call.
    pub(super) fn auth_state(&self) -> AuthState {
        self.0.auth.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
