use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::*;

/// A URL that answers one request; over TLS if there is an acceptor.
async fn answering(answer: impl Into<Vec<u8>>, tls: Option<TlsAcceptor>) -> Uri {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (scheme, host) = if tls.is_some() { ("https", "localhost") } else { ("http", "127.0.0.1") };
    let answer = answer.into();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        match tls {
            None => answer_to(stream, &answer).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    answer_to(stream, &answer).await;
                }
            }
        }
    });
    format!("{scheme}://{host}:{port}/a?b=c").parse().unwrap()
}

async fn answer_to(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    let request = String::from_utf8(request).unwrap();
    assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\nhost: "), "{request}");
    // The client may have read enough.
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
}

fn certificate() -> (CertificateDer<'static>, TlsAcceptor) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], signing_key.into())
        .unwrap();
    (cert.der().clone(), TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn a_document_of_the_maximum_size_is_read_whole_and_a_larger_one_is_refused() {
    let of = |size: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n{}", "x".repeat(size));
    let document = fetch(&answering(of(100_000), None).await, 100_000).await.unwrap();
    assert_eq!(document.len(), 100_000);
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(fetch(&answering(chunked, None).await, 5).await.unwrap(), "abcde");
    // Without a length, up to the end of the connection.
    assert_eq!(fetch(&answering("HTTP/1.1 200 OK\r\n\r\nabc", None).await, 3).await.unwrap(), "abc");
    for answer in [of(100_001), "HTTP/1.1 200 OK\r\n\r\n".to_owned() + &"x".repeat(100_001)] {
        let refused = fetch(&answering(answer, None).await, 100_000).await;
        assert!(matches!(refused, Err(FetchError::TooLarge(100_000))), "{refused:?}");
    }
}

#[tokio::test]
async fn only_a_200_is_a_document() {
    for status in ["302 Found\r\nlocation: http://127.0.0.1/", "204 No Content", "404 Not Found"] {
        let refused = fetch(&answering(format!("HTTP/1.1 {status}\r\n\r\n"), None).await, 100).await;
        assert!(matches!(refused, Err(FetchError::Status(_))), "{refused:?}");
    }
    let cut = fetch(&answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", None).await, 100).await;
    assert!(matches!(cut, Err(FetchError::Http(_))), "{cut:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_given_up_after_five_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let begun = tokio::time::Instant::now();
    assert!(matches!(fetch(&url, 100).await, Err(FetchError::Timeout)));
    assert!(begun.elapsed() >= TIMEOUT && begun.elapsed() < 2 * TIMEOUT, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn over_https_the_servers_certificate_must_be_trusted() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let ((certificate, acceptor), (_, impostor)) = (certificate(), certificate());
    let trusting = {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        Roots::These(Arc::new(roots))
    };
    let url = answering(answer, Some(acceptor.clone())).await;
    assert_eq!(get(&url, &trusting, 100).await.unwrap(), "ok");
    let url = answering(answer, Some(impostor)).await;
    let refused = get(&url, &trusting, 100).await;
    assert!(matches!(refused, Err(FetchError::Connect(_))), "{refused:?}");
    // The machine does not trust it.
    let url = answering(answer, Some(acceptor)).await;
    assert!(matches!(fetch(&url, 100).await, Err(FetchError::Connect(_))));
}
