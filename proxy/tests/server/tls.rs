//! TLS: trust on both sides.

use prism_conformance::keyvalue::wire::Endpoint;
use prism_conformance::wire::Unreachable;
use prism_proxy::server::TlsPem;
use prism_wire::channel::Options;
use prism_wire::keyvalue::Client;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Mode, Server, Steered, describe};

/// A per-test certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// A certificate for `name`, and its key.
    fn issue(&self, name: &str) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }
}

async fn served_by(authority: &Authority, client_ca: Option<Vec<u8>>) -> Server {
    let (cert, key) = authority.issue("localhost");
    Server::start_with(Steered::new(Mode::Works), |options| {
        options.tls = Some(TlsPem { cert, key, client_ca });
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
    let authority = Authority::new();
    let server = served_by(&authority, None).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // More than the handshake reads before it fails.
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.resize(64 << 10, 0);
    stream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the connection was reset");
    // A TLS alert of two bytes: fatal, and the reason.
    assert_eq!((answer[0], answer.len(), answer[5]), (0x15, 7, 2), "{answer:?}");
}
