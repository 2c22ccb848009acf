//! TLS: the server's certificate and key, and the authorities for client certificates.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

/// Certificates and keys, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsPem {
    /// The server's certificate chain.
    pub cert: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
    /// Certificate authorities, one of which must have issued each client's certificate; `None`: clients need none.
    pub client_ca: Option<Vec<u8>>,
}

/// Why a certificate, a key or a client CA cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not PEM with a certificate.
    #[error("{0} is not PEM with at least one certificate: {1}")]
    Certificate(&'static str, pem::Error),
    /// PEM without a certificate.
    #[error("{0} holds no certificate")]
    Empty(&'static str),
    /// Not PEM with a private key.
    #[error("the key is not PEM with a private key: {0}")]
    Key(pem::Error),
    /// Certificate and key do not match, or are of an unsupported kind.
    #[error("the certificate and the key cannot be used: {0}")]
    Pair(rustls::Error),
    /// The client CA is unusable.
    #[error("the client CA cannot be used: {0}")]
    ClientCa(VerifierBuilderError),
    /// A server without TLS cannot change to TLS while it runs.
    #[error("the server does not use TLS, and can change that only by a restart")]
    NotServed,
}

impl TlsPem {
    /// An acceptor of TLS connections. It offers HTTP/1.1 beside HTTP/2 only to send a readable error.
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Pair)?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(certificates("the client CA", ca)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(TlsError::ClientCa)?)
            }
        };
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(TlsError::Key)?;
        let certificates = certificates("the certificate", &self.cert)?;
        let mut config = builder.with_single_cert(certificates, key).map_err(TlsError::Pair)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(of: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all.map_err(|why| TlsError::Certificate(of, why))? {
        none if none.is_empty() => Err(TlsError::Empty(of)),
        all => Ok(all),
    }
}
