//! Where there is no server that can be tested: exit code 3, and a sentence that says what to do.

use crate::servers::{Sound, answering, nobody, serve};
use crate::{prism_conformance, run_at};

const HTTP: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_address_where_nobody_listens_is_told_with_how_to_start_a_server() {
    let address = nobody().await;
    let answer = run_at(address, &[]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(3), ""), "{}", answer.err);
    let wanted =
        format!("Nobody listens on {address} (Connection refused (os error 111)). Start the server,");
    assert!(answer.err.starts_with(&wanted), "{}", answer.err);
    assert!(answer.err.contains("--spawn 'COMMAND'"), "{}", answer.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_http_server_is_told_from_a_server_of_grpc() {
    let address = answering(Some(HTTP)).await;
    let answer = run_at(address, &[]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(3), ""), "{}", answer.err);
    let wanted = format!(
        "{address} is a plain HTTP/1 server (it answered 'HTTP/1.1 400 Bad Request') and not a gRPC server, which speaks \
         HTTP/2. Is it the right port?\n"
    );
    assert_eq!(answer.err, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_is_given_up() {
    let address = answering(None).await;
    let answer = run_at(address, &[]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(3), ""), "{}", answer.err);
    let wanted = format!(
        "Something listens on {address}, but it does not answer as a gRPC server does: DEADLINE_EXCEEDED: no answer within \
         5s.\n"
    );
    assert_eq!(answer.err, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_is_given_up_within_its_tls_handshake_too() {
    let address = answering(None).await;
    let began = std::time::Instant::now();
    let answer = prism_conformance(&["run", "--endpoint", &format!("https://{address}")]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(3), ""), "{}", answer.err);
    let wanted = format!("The TLS connection to {address} failed: ");
    assert!(answer.err.starts_with(&wanted), "{}", answer.err);
    // Which of two bounds of the same length is first does not matter.
    let bounds = ["no connection within", "TLS handshake timeout"];
    assert!(bounds.iter().any(|bound| answer.err.contains(bound)), "{}", answer.err);
    assert!(began.elapsed() < std::time::Duration::from_secs(30), "it took {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_to_a_server_that_speaks_none_is_told() {
    let server = serve(Sound::new()).await;
    let endpoint = format!("https://{}", server.address());
    let answer = prism_conformance(&["run", "--endpoint", &endpoint]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(3), ""), "{}", answer.err);
    let wanted = format!("The TLS connection to {} failed: ", server.address());
    assert!(answer.err.starts_with(&wanted), "{}", answer.err);
    assert!(answer.err.contains("whether the server speaks TLS at all"), "{}", answer.err);
    let address = answering(Some(HTTP)).await;
    let answer = prism_conformance(&["run", "--endpoint", &format!("https://{address}")]).await;
    let wanted = format!(
        "{address} speaks plain HTTP ('HTTP/1.1 400 Bad Request') and not TLS. Write http://{address} for a server without \
         TLS.\n"
    );
    assert_eq!((answer.code, answer.err), (Some(3), wanted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_no_server_is_told_with_what_it_wrote() {
    let answer = prism_conformance(&["run", "--spawn", "no-such-command serve"]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(3), ""), "{}", answer.err);
    assert!(answer.err.starts_with("'no-such-command' cannot be started: "), "{}", answer.err);
    let answer = prism_conformance(&["run", "--spawn", "sh -c 'echo no disk >&2; exit 7'"]).await;
    let wanted = "the server ended before it answered (exit status: 7); it wrote:\nno disk\n";
    assert_eq!((answer.code, answer.err.as_str()), (Some(3), wanted));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_address_is_told_as_a_url_takes_it() {
    for (address, url) in
        [("::1:8980", "http://[::1]:8980"), ("https://fe80::2:443", "https://[fe80::2]:443")]
    {
        let answer = prism_conformance(&["run", "--endpoint", address]).await;
        assert_eq!((answer.code, answer.out.as_str()), (Some(2), ""), "{}", answer.err);
        let wanted = format!("An IPv6 address goes in brackets: {url}\n");
        assert!(answer.err.ends_with(&wanted), "{}", answer.err);
    }
    // Where nobody listens, also on a machine without IPv6.
    let port = nobody().await.port();
    let answer = prism_conformance(&["run", "--endpoint", &format!("http://[::1]:{port}")]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(3), ""), "{}", answer.err);
    assert!(answer.err.starts_with(&format!("Nobody listens on [::1]:{port} (")), "{}", answer.err);
}
