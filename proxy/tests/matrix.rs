//! Clients see the same behaviour with every backend, with and without TLS, in-process (`run`) and from the binary.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use prism_backends::{Postgres, Sqlite, postgres, sqlite};
use prism_contract::keyvalue::request::{
    DeleteRequest, GetRequest, ItemInput, KeyPredicate, PutRequest, ScanRequest,
};
use prism_contract::keyvalue::{KeyValueBackend, Memory};
use prism_proxy::server::{Options, RunError, Shutdown, TlsPem, run};
use prism_testkit::{Backend, LazySchema, skips};
use prism_wire::channel;
use prism_wire::keyvalue::{Client, Resume};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

#[derive(Debug, Clone, Copy)]
enum Transport {
    Plain,
    Tls,
}

#[derive(Debug, Clone, Copy)]
enum Host {
    ThisProcess,
    Binary,
}

/// The data and certificates of a test; outlives the servers that use it.
struct Fixture {
    folder: TempDir,
    schema: LazySchema,
    backend: Backend,
    /// The self-signed certificate and its private key.
    tls: Option<(String, String)>,
}

impl Fixture {
    fn new(backend: Backend, transport: Transport) -> Self {
        let tls = match transport {
            Transport::Plain => None,
            Transport::Tls => {
                let CertifiedKey { cert, signing_key } =
                    generate_simple_self_signed(["localhost".to_owned()]).unwrap();
                Some((cert.pem(), signing_key.serialize_pem()))
            }
        };
        Self { folder: TempDir::new().unwrap(), schema: LazySchema::new(), backend, tls }
    }

    async fn open(&self) -> Arc<dyn KeyValueBackend> {
        match self.backend {
            Backend::Memory => Arc::new(Memory::default()),
            Backend::Sqlite => {
                let path = self.folder.path().join("prism.db");
                Arc::new(Sqlite::open(sqlite::Options::new(path)).await.unwrap())
            }
            Backend::Postgres => {
                let url = self.schema.url().await.unwrap();
                Arc::new(Postgres::open(postgres::Options::new(url)).await.unwrap())
            }
            Backend::Kafka => unreachable!("it keeps no items"),
        }
    }

    fn client_options(&self, address: &str) -> channel::Options {
        let Some((cert, _)) = &self.tls else { return channel::Options::new(format!("http://{address}")) };
        channel::Options {
            ca: Some(cert.clone().into_bytes()),
            server_name: Some("localhost".to_owned()),
            ..channel::Options::new(format!("https://{address}"))
        }
    }

    async fn serve(&self, host: Host) -> Server {
        let (address, running) = match host {
            Host::ThisProcess => self.serve_in_process().await,
            Host::Binary => self.serve_with_binary().await,
        };
        Server { options: self.client_options(&address), running }
    }

    async fn serve_in_process(&self) -> (String, Running) {
        let pem = |(cert, key): (String, String)| TlsPem {
            cert: cert.into_bytes(),
            key: key.into_bytes(),
            client_ca: None,
        };
        let options = Options { tls: self.tls.clone().map(pem), ..Options::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shutdown = Shutdown::new();
        let task = tokio::spawn(run(self.open().await, listener, shutdown.clone(), options));
        (address, Running::InProcess(shutdown, task))
    }

    async fn serve_with_binary(&self) -> (String, Running) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_prism"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PRISM_") || name == "DATABASE_URL" {
                command.env_remove(name);
            }
        }
        command.current_dir(&self.folder).args(["serve", "--listen", "127.0.0.1:0"]);
        command.env("PRISM_LOGGING_FORMAT", "json").stdin(Stdio::null()).stderr(Stdio::piped());
        if matches!(self.backend, Backend::Postgres) {
            command.env("DATABASE_URL", self.schema.url().await.unwrap());
        }
        if let Some((cert, key)) = &self.tls {
            std::fs::write(self.folder.path().join("cert.pem"), cert).unwrap();
            std::fs::write(self.folder.path().join("key.pem"), key).unwrap();
            command.env("PRISM_SERVER_TLS_CERT", "cert.pem").env("PRISM_SERVER_TLS_KEY", "key.pem");
        }
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let running = Running::Binary(child);
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "prism exited before it listened");
            let entry: Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = entry["address"].as_str() {
                break address.to_owned();
            }
        };
        // Drains the log, so that the pipe does not fill up.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        (address, running)
    }
}

/// A running server. Dropped, it is aborted.
enum Running {
    InProcess(Shutdown, JoinHandle<Result<(), RunError>>),
    Binary(Child),
}

impl Drop for Running {
    fn drop(&mut self) {
        match self {
            Self::InProcess(shutdown, task) => {
                shutdown.abort();
                task.abort();
            }
            Self::Binary(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

struct Server {
    options: channel::Options,
    running: Running,
}

impl Server {
    async fn client(&self) -> Client {
        Client::connect(&self.options).await.unwrap()
    }

    /// Shuts the server down gracefully.
    async fn stop(mut self) {
        match &mut self.running {
            Running::InProcess(shutdown, task) => {
                shutdown.drain();
                assert!(matches!(task.await, Ok(Ok(()))), "the shutdown was not graceful");
            }
            Running::Binary(child) => {
                let pid = child.id().to_string();
                assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
                assert_eq!(child.wait().unwrap().code(), Some(0));
            }
        }
    }
}

fn put(keys: &[&'static str]) -> PutRequest {
    let item =
        |key: &&'static str| ItemInput { key: (*key).into(), value: "v".into(), ..ItemInput::default() };
    let items = keys.iter().map(item).collect();
    PutRequest { namespace: "n".to_owned(), id: "i".to_owned(), items, ..PutRequest::default() }
}

/// The keys of the record, read with Get.
async fn keys(client: &Client) -> Vec<String> {
    let get = GetRequest { namespace: "n".to_owned(), id: "i".to_owned(), ..GetRequest::default() };
    let items = client.get(get).await.unwrap().items;
    items.iter().map(|item| String::from_utf8(item.key.to_vec()).unwrap()).collect()
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_are_put_read_scanned_and_deleted_and_bad_input_is_refused(
    #[values(Backend::Memory, Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(Transport::Plain, Transport::Tls)] transport: Transport,
) {
    if skips(backend, "items_are_put_read_scanned_and_deleted_and_bad_input_is_refused") {
        return;
    }
    let fixture = Fixture::new(backend, transport);
    let server = fixture.serve(Host::ThisProcess).await;
    let client = server.client().await;
    let put_three = client.put(put(&["c", "a", "b"])).await.unwrap();
    assert_eq!(put_three.results.iter().map(|result| result.applied).collect::<Vec<_>>(), [true; 3]);
    assert_eq!(keys(&client).await, ["a", "b", "c"]);
    let scan = ScanRequest { namespace: "n".to_owned(), ..ScanRequest::default() };
    let messages: Vec<_> = client.scan(scan, Resume::Never).collect().await;
    let scanned: usize = messages.into_iter().map(|message| message.unwrap().entries.len()).sum();
    assert_eq!(scanned, 3);
    let delete = DeleteRequest {
        namespace: "n".to_owned(),
        id: "i".to_owned(),
        predicate: Some(KeyPredicate::MatchKeys(vec!["b".into(), "none".into()])),
        ..DeleteRequest::default()
    };
    assert_eq!(client.delete(delete).await.unwrap().deleted_count, 1);
    for (bad, field) in [
        (PutRequest { namespace: String::new(), ..put(&["k"]) }, "namespace"),
        (PutRequest { id: String::new(), ..put(&["k"]) }, "id"),
        (put(&[""]), "items[0].key"),
        (put(&["k", "k"]), "items[1].key"),
        (put(&[]), "items"),
    ] {
        let error = client.put(bad).await.unwrap_err();
        let refused = error.status().unwrap();
        let fields: Vec<_> = refused.violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!((refused.code, fields), (Code::InvalidArgument, vec![field]));
    }
    assert_eq!(keys(&client).await, ["a", "c"]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_the_data_and_the_server_is_healthy_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(Transport::Plain, Transport::Tls)] transport: Transport,
    #[values(Host::ThisProcess, Host::Binary)] host: Host,
) {
    if skips(backend, "a_restart_keeps_the_data_and_the_server_is_healthy_again") {
        return;
    }
    let fixture = Fixture::new(backend, transport);
    let server = fixture.serve(host).await;
    assert!(server.client().await.put(put(&["a", "b"])).await.unwrap().results[1].applied);
    server.stop().await;
    let server = fixture.serve(host).await;
    let client = server.client().await;
    assert_eq!(keys(&client).await, ["a", "b"]);
    let channel = server.options.endpoint().unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);
    let serving = async {
        let request = || HealthCheckRequest { service: "prism.keyvalue.v1.KeyValueService".to_owned() };
        while health.check(request()).await.unwrap().into_inner().status() != ServingStatus::Serving {}
    };
    tokio::time::timeout(Duration::from_secs(10), serving).await.expect("never healthy");
}
