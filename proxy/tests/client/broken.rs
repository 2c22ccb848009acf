//! Broken connections: error messages, and resuming where possible.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::support::{Backend, Prism, Ran, json_lines, prism};

/// A TCP relay to a server, which can be redirected to another one and can cut connections after a number of response bytes.
pub(crate) struct Relay {
    address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    sent: Arc<AtomicUsize>,
}

impl Relay {
    pub(crate) fn to(target: SocketAddr) -> Self {
        Self::cutting(target, vec![])
    }

    /// Cuts the first connections after these numbers of response bytes, and no later ones.
    fn cutting(target: SocketAddr, mut cuts: Vec<u64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(Mutex::new(target));
        let sent = Arc::new(AtomicUsize::new(0));
        let (current, count) = (Arc::clone(&target), Arc::clone(&sent));
        cuts.reverse();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let cut = cuts.pop().unwrap_or(u64::MAX);
                let target = *current.lock().unwrap();
                let count = Arc::clone(&count);
                thread::spawn(move || relay(&client, target, cut, &count));
            }
        });
        Self { address, target, sent }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The response bytes that clients were sent so far.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    pub(crate) fn redirect(&self, target: SocketAddr) {
        *self.target.lock().unwrap() = target;
    }
}

/// Writes to a client, and counts the bytes before they are sent.
struct Counted<'a>(&'a TcpStream, &'a AtomicUsize);

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.fetch_add(bytes.len(), Ordering::SeqCst);
        self.0.write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Copies both ways until either end closes or the responses are cut.
fn relay(client: &TcpStream, target: SocketAddr, cut: u64, sent: &AtomicUsize) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(std::net::Shutdown::Both);
    });
    let _ = io::copy(&mut (&server).take(cut), &mut Counted(client, sent));
    let _ = client.shutdown(std::net::Shutdown::Both);
    server.shutdown(std::net::Shutdown::Both)
}

fn get_from(endpoint: &str, more: &[&str]) -> Ran {
    let args = [&["get", "n", "r", "--endpoint", endpoint], more].concat();
    prism().args(args).output().unwrap().into()
}

#[test]
fn a_refused_connection_is_reported_with_how_to_start_a_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let ran = get_from(&endpoint, &[]);
    assert_eq!(ran.code, 3);
    let message = format!("prism: no server answers at {endpoint}; start one with 'prism serve'");
    assert!(ran.stderr.starts_with(&message), "{}", ran.stderr);
}

#[test]
fn a_connection_broken_during_a_call_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // Closes within the client's preface, which is longer than this.
            let _ = (&client).read_exact(&mut [0; 30]);
        }
    });
    let ran = get_from(&endpoint, &["--json"]);
    assert_eq!(ran.code, 3);
    assert_eq!(json_lines(&ran.stderr)[0]["error"]["status"], json!("UNAVAILABLE"), "{}", ran.stderr);
}

#[test]
fn a_silent_server_exceeds_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let ran = get_from(&endpoint, &["--timeout", "100ms"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.starts_with("prism: DEADLINE_EXCEEDED: "), "{}", ran.stderr);
    drop(listener);
}

#[test]
fn a_scan_and_an_export_resume_after_a_cut() {
    let direct = Prism::serve(Backend::Memory);
    let line = |at| {
        format!("{{\"id\":\"r{at:03}\",\"items\":[{{\"key\":\"k\",\"value\":\"{}\"}}]}}\n", "v".repeat(9_000))
    };
    let input: String = (0..600).map(line).collect();
    assert_eq!(direct.run_on(input.as_bytes(), &["import", "n", "-"]).code, 0);
    let whole = direct.ok(&["scan", "n", "--json"]);
    // Before any message, within the first, and within a later one.
    let cuts = || vec![10, 1_000_000, 3_000_000, 100];
    let scan = Relay::cutting(direct.address(), cuts());
    assert!(
        direct.ok(&["scan", "n", "--json", "--endpoint", &scan.endpoint()]) == whole,
        "the scan is incomplete"
    );
    let export = Relay::cutting(direct.address(), cuts());
    assert!(
        direct.ok(&["export", "n", "--endpoint", &export.endpoint()]) == input,
        "the export is incomplete"
    );
}
