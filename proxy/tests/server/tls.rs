//! TLS: trust on both sides.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prism_conformance::keyvalue::wire::Endpoint;
use prism_conformance::wire::Unreachable;
use prism_proxy::metrics::Metrics;
use prism_proxy::server::TlsPem;
use prism_wire::channel::Options;
use prism_wire::keyvalue::Client;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType, date_time_ymd,
};
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, AlertDescription, ClientConfig, RootCertStore, SupportedProtocolVersion};

use crate::metrics::page::Page;
use crate::support::{Mode, Server, Steered, describe, until};

/// A per-test certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        // Each has another name, so that a certificate of one is not taken for a forgery of another's.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// A certificate for `name`, and its key.
    pub(crate) fn issue(&self, name: &str) -> (Vec<u8>, Vec<u8>) {
        self.sign(&CertificateParams::new(vec![name.to_owned()]).unwrap())
    }

    /// A certificate for names of any kind, and its key.
    pub(crate) fn issue_names(&self, names: Vec<SanType>) -> (Vec<u8>, Vec<u8>) {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.subject_alt_names = names;
        self.sign(&params)
    }

    /// A certificate for `name` that expired in 2001, and its key.
    fn issue_expired(&self, name: &str) -> (Vec<u8>, Vec<u8>) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1));
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }
}

async fn served_by(authority: &Authority, client_ca: Option<Vec<u8>>) -> Server {
    served_with(authority, client_ca, Metrics::default()).await
}

async fn served_with(authority: &Authority, client_ca: Option<Vec<u8>>, metrics: Metrics) -> Server {
    let (cert, key) = authority.issue("localhost");
    Server::start_with(Steered::new(Mode::Works), |options| {
        options.tls = Some(TlsPem { cert, key, client_ca });
        options.metrics = metrics;
    })
    .await
}

/// Whether a client that trusts `authority` is answered.
async fn is_answered(server: &Server, authority: &Authority, identity: Option<(Vec<u8>, Vec<u8>)>) -> bool {
    let options = Options {
        ca: Some(authority.pem()),
        identity,
        server_name: Some("localhost".to_owned()),
        ..Options::new(format!("https://{}", server.address))
    };
    match Client::connect(&options).await {
        Ok(client) => client.describe(describe()).await.is_ok(),
        Err(_) => false,
    }
}

#[tokio::test]
async fn a_client_connects_only_if_it_trusts_the_servers_authority() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = served_by(&authority, None).await;
    assert!(is_answered(&server, &authority, None).await);
    assert!(!is_answered(&server, &other, None).await);
    let without_tls = Client::connect(&server.options()).await;
    assert!(match without_tls {
        Ok(client) => client.describe(describe()).await.is_err(),
        Err(_) => true,
    });
}

#[tokio::test]
async fn client_certificates_must_be_of_the_servers_client_ca() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = served_by(&authority, Some(authority.pem())).await;
    assert!(is_answered(&server, &authority, Some(authority.issue("client"))).await);
    assert!(!is_answered(&server, &authority, Some(other.issue("client"))).await);
    assert!(!is_answered(&server, &authority, None).await);
}

/// Why the suite cannot test what is at `endpoint`.
async fn untestable(endpoint: String, ca: Option<Vec<u8>>) -> String {
    let options = Options { ca, ..Options::new(endpoint) };
    match Endpoint::connect("tls", options).await {
        Err(Unreachable::Unavailable(why)) => why,
        Err(Unreachable::Usage(why)) => panic!("taken for the caller's mistake: {why}"),
        Ok(_) => panic!("it can be tested"),
    }
}

#[tokio::test]
async fn the_suite_explains_what_a_tls_server_requires() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = served_by(&authority, None).await;
    let address = &server.address;
    let wanted = format!(
        "{address} requires TLS. Write https://{address}, and --tls-ca FILE unless this machine trusts its certificate."
    );
    assert_eq!(untestable(format!("http://{address}"), None).await, wanted);
    for ca in [None, Some(other.pem())] {
        let why = untestable(format!("https://{address}"), ca).await;
        assert!(why.starts_with(&format!("The TLS connection to {address} failed: ")), "{why}");
        assert!(why.contains("invalid peer certificate") && why.contains("--tls-ca"), "{why}");
    }
    let why = untestable(format!("https://{address}"), Some(authority.pem())).await;
    assert!(why.contains("certificate not valid for name") && why.contains("--tls-domain"), "{why}");
}

#[tokio::test]
async fn a_plain_text_client_reads_a_tls_alert_and_not_a_reset() {
    let (authority, metrics) = (Authority::new(), Metrics::default());
    let server = served_with(&authority, None, metrics.clone()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // More than the handshake reads before it fails.
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.resize(64 << 10, 0);
    stream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the connection was reset");
    // A TLS alert of two bytes: fatal, and the reason.
    assert_eq!((answer[0], answer.len(), answer[5]), (0x15, 7, 2), "{answer:?}");
    // The server reads until the client closes.
    drop(stream);
    until("it is counted", async || {
        Page::read(&metrics.page()).get("prism_handshakes_failed_total", &[("reason", "failed")]) == Some(1.0)
    })
    .await;
}

/// The alert by which the server ends a connection, if it does.
async fn alert(
    server: &Server,
    authority: &Authority,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    version: &'static SupportedProtocolVersion,
) -> Option<AlertDescription> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&authority.pem()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => config
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(&certificate).unwrap()],
                PrivateKeyDer::from_pem_slice(&key).unwrap(),
            )
            .unwrap(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(server.address).await.unwrap();
    let opened = TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await;
    // With TLS 1.3 the client has finished its handshake by the time the server reads the certificate.
    let error = match opened {
        Err(error) => error,
        Ok(mut stream) => {
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
            // The settings of the server, if it accepts the client.
            match stream.read_u8().await {
                Ok(_) => return None,
                Err(error) => error,
            }
        }
    };
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => Some(*alert),
        _ => panic!("the connection ended without an alert: {error}"),
    }
}

#[rstest]
#[tokio::test]
async fn a_client_certificate_that_is_not_accepted_ends_the_connection_with_an_alert(
    #[values(&TLS12, &TLS13)] version: &'static SupportedProtocolVersion,
) {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = served_by(&authority, Some(authority.pem())).await;
    for (identity, wanted) in [
        (Some(authority.issue("client")), None),
        (Some(authority.issue_expired("client")), Some(AlertDescription::CertificateExpired)),
        (Some(other.issue("client")), Some(AlertDescription::UnknownCA)),
        (None, Some(AlertDescription::CertificateRequired)),
    ] {
        assert_eq!(alert(&server, &authority, identity, version).await, wanted);
    }
}
