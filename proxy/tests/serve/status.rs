//! The admin endpoint of a process, and `prism status`.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Serving, prism, run, stderr};

/// A server with an admin endpoint on a free port, and the address of that.
fn serving(folder: &TempDir) -> (Serving, String) {
    let mut command = prism(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--database", "prism.db"]);
    let serving = Serving::start(command.env("PRISM_ADMIN_LISTEN", "127.0.0.1:0"));
    let admin = serving.started["admin"].as_str().expect("the line names the admin endpoint").to_owned();
    (serving, admin)
}

pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: prism\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn status_shows_what_a_gateway_has_done() {
    let folder = TempDir::new().unwrap();
    let (serving, admin) = serving(&folder);
    let endpoint = format!("http://{}", serving.address);
    let put = run(prism(folder.path()).args(["put", "orders", "r", "k=v", "--endpoint", &endpoint]));
    assert_eq!(put.status.code(), Some(0), "{}", stderr(&put));
    let status = run(prism(folder.path()).args(["status", "--admin", &admin, "--json"]));
    assert_eq!(status.status.code(), Some(0), "{}", stderr(&status));
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["ready"], true);
    assert_eq!(status["namespaces"][0]["name"], "orders");
    let backend = &status["backends"][0];
    assert_eq!((&backend["name"], &backend["serving"]), (&"default".into(), &true.into()));
    assert!(backend["file_bytes"].as_f64() >= Some(4_096.0), "{backend}");
    let text = run(prism(folder.path()).args(["status", "--admin", &admin]));
    let text = String::from_utf8(text.stdout).unwrap();
    for line in ["ready        yes", "BACKEND  SERVING  QUEUE", "default  yes      batched_read", "orders"] {
        assert!(text.contains(line), "no {line:?} in {text}");
    }
    assert!(get(&admin, "/readyz").ends_with("ready\n"));
    assert!(get(&admin, "/metrics").contains("\nprism_log_lines_dropped_total 0\n"));
}

#[test]
fn status_says_what_is_wrong_with_an_address() {
    let folder = TempDir::new().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = other.local_addr().unwrap().to_string();
    drop(other);
    let unreachable = run(prism(folder.path()).args(["status", "--admin", &free]));
    assert_eq!(unreachable.status.code(), Some(3));
    assert!(stderr(&unreachable).contains("is this its admin.listen?"), "{}", stderr(&unreachable));
    let invalid = run(prism(folder.path()).args(["status", "--admin", "localhost"]));
    assert_eq!(invalid.status.code(), Some(2));
    assert!(stderr(&invalid).contains("write host:port"), "{}", stderr(&invalid));
    // The gateway's own port, where gRPC is served.
    let (serving, _) = serving(&folder);
    let grpc = run(prism(folder.path()).args(["status", "--admin", &serving.address]));
    assert_eq!(grpc.status.code(), Some(1), "{}", stderr(&grpc));
}

#[test]
fn a_configured_address_that_is_taken_is_an_error_and_off_is_none() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let serve = || {
        let mut command = prism(folder.path());
        command.args(["serve", "--listen", "127.0.0.1:0", "--database", "prism.db"]);
        command
    };
    let refused = run(serve().env("PRISM_ADMIN_LISTEN", &address));
    assert_eq!(refused.status.code(), Some(1));
    let wanted = format!("admin.listen: cannot listen on {address}");
    assert!(stderr(&refused).contains(&wanted), "{}", stderr(&refused));
    let serving = Serving::start(serve().env("PRISM_ADMIN_LISTEN", "off"));
    assert_eq!(serving.started["admin"], Value::Null);
}

#[test]
fn a_default_address_that_is_taken_is_a_warning() {
    let folder = TempDir::new().unwrap();
    // It fails if another process has the address already, which serves this test too.
    let _taken = TcpListener::bind("127.0.0.1:8981");
    let serving = Serving::start(crate::serve(folder.path()).env_remove("PRISM_ADMIN_LISTEN"));
    assert_eq!(serving.started["admin"], Value::Null);
    let warning = serving.before.iter().find(|line| line["default"] == "127.0.0.1:8981").unwrap();
    assert_eq!(warning["level"], "WARN");
    assert!(warning["message"].as_str().unwrap().starts_with("there are no metrics: "), "{warning}");
}
