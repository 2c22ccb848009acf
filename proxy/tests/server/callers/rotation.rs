//! Rotation of an issuer's keys, in a file and at a URL.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prism_proxy::config::JwksSource;
use prism_proxy::server::AuthState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::Code::{Ok as Accepted, Unauthenticated};

use super::keys::{Key, jwks, write_jwks};
use super::{auth, claims, get_with, set_now};
use crate::log::Log;
use crate::support::{Mode, Server, Steered, until};

async fn server(source: JwksSource) -> Server {
    let state = AuthState::new(&auth(source)).unwrap();
    let server = Server::start_with(Steered::new(Mode::Works), |options| options.auth = state).await;
    set_now(&server);
    server
}

/// Moves the clock of the runtime, by which loads are timed, between two calls.
async fn advance(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// An issuer's web server.
pub(super) struct Web {
    pub(super) source: JwksSource,
    pub(super) answer: Arc<Mutex<String>>,
    pub(super) requests: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Web {
    /// One that answers with a key set.
    pub(super) async fn serving(document: &str) -> Self {
        Self::serving_at("127.0.0.1:0".parse().unwrap(), document).await
    }

    pub(super) async fn serving_at(address: SocketAddr, document: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let source = source_at(listener.local_addr().unwrap());
        let (answer, requests) = (Arc::new(Mutex::new(ok(document))), Arc::<AtomicUsize>::default());
        let (answers, count) = (Arc::clone(&answer), Arc::clone(&requests));
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let answer = answers.lock().unwrap().clone();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                assert!(request.starts_with(b"GET /jwks.json HTTP/1.1\r\n"), "{request:?}");
                // A client that has read enough closes the connection.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { source, answer, requests, serving }
    }

    pub(super) fn stop(&self) {
        self.serving.abort();
    }

    fn set(&self, answer: String) {
        *self.answer.lock().unwrap() = answer;
    }

    fn count(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn source_at(address: SocketAddr) -> JwksSource {
    JwksSource::Url(format!("http://{address}/jwks.json").parse().unwrap())
}

fn ok(document: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{document}", document.len())
}

#[tokio::test]
async fn a_new_file_replaces_the_keys_when_a_token_has_an_unknown_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let (old, new) = (Key::ed("old"), Key::ec("new"));
    let server = server(write_jwks(&path, &jwks(&[&old]))).await;
    let channel = server.channel().await;
    let (by_old, by_new) = (old.token(&claims("svc:a")), new.token(&claims("svc:a")));
    assert_eq!(
        (get_with(&channel, &by_old).await, get_with(&channel, &by_new).await),
        (Accepted, Unauthenticated)
    );
    write_jwks(&path, &jwks(&[&new]));
    advance(Duration::from_secs(1)).await;
    assert_eq!(get_with(&channel, &by_new).await, Accepted, "the file was not read again");
    assert_eq!(get_with(&channel, &by_old).await, Unauthenticated, "a removed key is still accepted");
}

#[tokio::test]
async fn a_key_that_was_removed_from_the_file_is_refused_within_a_minute() {
    Log::capture();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let (old, new) = (Key::ed("old"), Key::ec("new"));
    let server = server(write_jwks(&path, &jwks(&[&old]))).await;
    let channel = server.channel().await;
    let by_old = old.token(&claims("svc:a"));
    assert_eq!(get_with(&channel, &by_old).await, Accepted);
    write_jwks(&path, &jwks(&[&new]));
    advance(Duration::from_mins(1)).await;
    until("the file was read", async || Log::text().contains("the keys of an issuer of JWTs were loaded"))
        .await;
    assert_eq!(get_with(&channel, &by_old).await, Unauthenticated);
}

#[tokio::test]
async fn an_invalid_or_missing_file_leaves_the_keys_as_they_are_and_is_logged() {
    Log::capture();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let (key, unknown) = (Key::ed("k"), Key::ed("unknown").token(&claims("svc:a")));
    let server = server(write_jwks(&path, &jwks(&[&key]))).await;
    let channel = server.channel().await;
    let warnings = || Log::text().matches("those loaded before stay valid").count();
    for (count, document) in [(1, Some("{\"keys\":[]}")), (2, Some("<html>")), (3, None)] {
        match document {
            Some(document) => drop(write_jwks(&path, document)),
            None => std::fs::remove_file(&path).unwrap(),
        }
        advance(Duration::from_secs(1)).await;
        assert_eq!(get_with(&channel, &unknown).await, Unauthenticated);
        assert_eq!(warnings(), count, "{document:?}: {}", Log::text());
        assert_eq!(get_with(&channel, &key.token(&claims("svc:a"))).await, Accepted);
    }
}

#[test]
fn a_file_that_is_invalid_at_the_start_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &str| {
        let source = JwksSource::File(folder.path().join(path));
        AuthState::new(&auth(source)).unwrap_err().to_string()
    };
    assert!(
        error("absent").contains("https://login.example: the file cannot be read"),
        "{}",
        error("absent")
    );
    std::fs::write(folder.path().join("bad"), "{}").unwrap();
    assert!(error("bad").contains("is not a JSON Web Key Set"), "{}", error("bad"));
}

#[tokio::test]
async fn new_keys_at_a_url_are_fetched_when_a_token_has_an_unknown_one() {
    let (old, new) = (Key::ed("old"), Key::rsa("new", 0));
    let web = Web::serving(&jwks(&[&old])).await;
    let server = server(web.source.clone()).await;
    let channel = server.channel().await;
    let (by_old, by_new) = (old.token(&claims("svc:a")), new.token(&claims("svc:a")));
    // Waits for the first document.
    assert_eq!(get_with(&channel, &by_old).await, Accepted);
    web.set(ok(&jwks(&[&new])));
    assert_eq!(get_with(&channel, &by_new).await, Unauthenticated, "fetched again within 10 s");
    advance(Duration::from_secs(10)).await;
    assert_eq!(get_with(&channel, &by_new).await, Accepted, "the URL was not fetched again");
    assert_eq!(get_with(&channel, &by_old).await, Unauthenticated, "a removed key is still accepted");
    for _ in 0..20 {
        assert_eq!(get_with(&channel, &by_old).await, Unauthenticated);
    }
    assert_eq!(web.count(), 2, "unknown keys cause a request each");
}

#[tokio::test]
async fn a_server_starts_without_its_issuer_and_fetches_the_keys_later() {
    Log::capture();
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let key = Key::ed("k");
    let server = server(source_at(address)).await;
    let channel = server.channel().await;
    let token = key.token(&claims("svc:a"));
    assert_eq!(get_with(&channel, &token).await, Unauthenticated);
    let text = Log::text();
    assert!(text.contains("the connection failed") && text.contains("its tokens are refused"), "{text}");
    let _web = Web::serving_at(address, &jwks(&[&key])).await;
    advance(Duration::from_secs(10)).await;
    assert_eq!(get_with(&channel, &token).await, Accepted);
}

#[tokio::test]
async fn an_unusable_answer_of_a_url_leaves_the_keys_as_they_are() {
    let key = Key::ed("k");
    let web = Web::serving(&jwks(&[&key])).await;
    let server = server(web.source.clone()).await;
    let channel = server.channel().await;
    let (known, unknown) = (key.token(&claims("svc:a")), Key::ed("unknown").token(&claims("svc:a")));
    assert_eq!(get_with(&channel, &known).await, Accepted);
    let other = jwks(&[&Key::ed("k")]);
    let large = format!("{other}{}", " ".repeat(1 << 20));
    for (requests, answer) in (2..).zip([
        ok("{\"keys\":[]}"),
        ok(&large),
        // A redirect could lead anywhere; and an error page is no key set, whatever it holds.
        format!("HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: {}\r\n\r\n{other}", other.len()),
        format!("HTTP/1.1 500 Internal Server Error\r\ncontent-length: {}\r\n\r\n{other}", other.len()),
        "not HTTP\r\n\r\n".to_owned(),
        String::new(),
    ]) {
        web.set(answer.clone());
        advance(Duration::from_secs(10)).await;
        assert_eq!(get_with(&channel, &unknown).await, Unauthenticated);
        assert_eq!(web.count(), requests, "{answer:.40}");
        assert_eq!(get_with(&channel, &known).await, Accepted, "{answer:.40}");
    }
}
