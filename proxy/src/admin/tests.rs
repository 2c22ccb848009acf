use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;

/// An endpoint, and its address.
async fn start(time_limit: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let admin = Admin(Arc::new(Inner { metrics: Metrics::default(), making: Mutex::new(()), time_limit }));
    tokio::spawn(admin.serve(listener));
    address
}

/// The whole response to a request's head.
async fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

async fn get(address: SocketAddr, path: &str) -> String {
    send(address, &format!("GET {path} HTTP/1.1\r\nhost: prism\r\n\r\n")).await
}

#[tokio::test]
async fn each_path_has_its_answer_and_others_are_named() {
    let address = start(TIME_LIMIT).await;
    let page = get(address, "/metrics").await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("# EOF\n"), "{page}");
    assert!(page.contains(&format!("content-type: {OPENMETRICS}\r\n")), "{page}");
    assert!(get(address, "/metrics?name=x").await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(get(address, "/healthz").await.ends_with("\r\n\r\nok\n"));
    let ready = get(address, "/readyz").await;
    assert!(
        ready.starts_with("HTTP/1.1 503 ") && ready.ends_with("the backends are being opened\n"),
        "{ready}"
    );
    let unknown = get(address, "/").await;
    assert!(unknown.starts_with("HTTP/1.1 404 ") && unknown.ends_with(PATHS), "{unknown}");
    let head = send(address, "HEAD /metrics HTTP/1.1\r\nhost: prism\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let post = send(address, "POST /metrics HTTP/1.1\r\nhost: prism\r\ncontent-length: 0\r\n\r\n").await;
    assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("allow: GET, HEAD\r\n"), "{post}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let address = start(TIME_LIMIT).await;
    let request = format!("GET /metrics HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(HEAD_BYTES));
    assert!(send(address, &request).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn clients_that_send_nothing_are_disconnected_and_do_not_keep_others_out() {
    let address = start(Duration::from_millis(200)).await;
    let mut silent = JoinSet::new();
    for _ in 0..2 * MOST_CONNECTIONS {
        let mut stream = TcpStream::connect(address).await.unwrap();
        silent.spawn(async move { stream.read_to_end(&mut Vec::new()).await });
    }
    assert!(get(address, "/healthz").await.ends_with("ok\n"));
    while let Some(closed) = silent.join_next().await {
        assert_eq!(closed.unwrap().unwrap(), 0);
    }
}
