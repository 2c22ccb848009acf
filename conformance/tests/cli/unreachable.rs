//! Targets without a testable server: exit code 3, and a message about the remedy.

use crate::servers::{Sound, closed_port, raw_server, serve};
use crate::{prism_conformance, run_at};

const HTTP: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_port_is_reported_with_how_to_start_a_server() {
    let address = closed_port().await;
    let answer = run_at(address, &[]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(3), ""), "{}", answer.err);
    let expected =
        format!("Nothing listens on {address} (Connection refused (os error 111)). Start the server,");
    assert!(answer.err.starts_with(&expected), "{}", answer.err);
    assert!(answer.err.contains("--spawn 'COMMAND'"), "{}", answer.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_http_server_is_recognized() {
    let address = raw_server(Some(HTTP)).await;
    let answer = run_at(address, &[]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(3), ""), "{}", answer.err);
    let expected = format!(
        "{address} is a plain HTTP/1 server (it answered 'HTTP/1.1 400 Bad Request') and not a gRPC server, which speaks \
         HTTP/2. Is it the right port?\n"
    );
    assert_eq!(answer.err, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_times_out() {
    let address = raw_server(None).await;
    let answer = run_at(address, &[]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(3), ""), "{}", answer.err);
    let expected = format!(
        "Something listens on {address}, but it does not answer as a gRPC server does: DEADLINE_EXCEEDED \
         (/prism.keyvalue.v1.KeyValueService/Describe: no answer within 5s).\n"
    );
    assert_eq!(answer.err, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_handshake_that_is_never_answered_times_out() {
    let address = raw_server(None).await;
    let started = std::time::Instant::now();
    let answer = prism_conformance(&["run", "--endpoint", &format!("https://{address}")]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(3), ""), "{}", answer.err);
    let expected = format!("The TLS connection to {address} failed: ");
    assert!(answer.err.starts_with(&expected), "{}", answer.err);
    // Two timeouts of the same length: either may be first.
    let timeouts = ["no connection within", "TLS handshake timeout"];
    assert!(timeouts.iter().any(|timeout| answer.err.contains(timeout)), "{}", answer.err);
    assert!(started.elapsed() < std::time::Duration::from_secs(30), "it took {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_to_a_plaintext_server_is_reported() {
    let server = serve(Sound::new()).await;
    let endpoint = format!("https://{}", server.address());
    let answer = prism_conformance(&["run", "--endpoint", &endpoint]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(3), ""), "{}", answer.err);
    let expected = format!("The TLS connection to {} failed: ", server.address());
    assert!(answer.err.starts_with(&expected), "{}", answer.err);
    assert!(answer.err.contains("whether the server speaks TLS at all"), "{}", answer.err);
    let address = raw_server(Some(HTTP)).await;
    let answer = prism_conformance(&["run", "--endpoint", &format!("https://{address}")]).await;
    let expected = format!(
        "{address} speaks plain HTTP ('HTTP/1.1 400 Bad Request') and not TLS. Write http://{address} for a server without \
         TLS.\n"
    );
    assert_eq!((answer.code, answer.err), (Some(3), expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_not_a_server_is_reported_with_its_output() {
    let answer = prism_conformance(&["run", "--spawn", "no-such-command serve"]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(3), ""), "{}", answer.err);
    assert!(answer.err.starts_with("'no-such-command' cannot be started: "), "{}", answer.err);
    let answer = prism_conformance(&["run", "--spawn", "sh -c 'echo no disk >&2; exit 7'"]).await;
    let expected = "the server ended before it answered (exit status: 7); it wrote:\nno disk\n";
    assert_eq!((answer.code, answer.err.as_str()), (Some(3), expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_address_without_brackets_is_refused_with_the_correct_url() {
    for (address, url) in
        [("::1:8980", "http://[::1]:8980"), ("https://fe80::2:443", "https://[fe80::2]:443")]
    {
        let answer = prism_conformance(&["run", "--endpoint", address]).await;
        assert_eq!((answer.code, answer.out.as_str()), (Some(2), ""), "{}", answer.err);
        let expected = format!("An IPv6 address goes in brackets: {url}\n");
        assert!(answer.err.ends_with(&expected), "{}", answer.err);
    }
    // The port is closed, also on a machine without IPv6.
    let port = closed_port().await.port();
    let answer = prism_conformance(&["run", "--endpoint", &format!("http://[::1]:{port}")]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(3), ""), "{}", answer.err);
    assert!(answer.err.starts_with(&format!("Nothing listens on [::1]:{port} (")), "{}", answer.err);
}
