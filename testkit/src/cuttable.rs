//! A TCP relay that can be cut: for tests of outages on a shared server.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::runtime::{on_testkit_runtime, spawn};
use crate::{Error, address};

/// Buffer per connection and direction during a delay, in chunks of at most 16 KiB.
const QUEUE_CHUNKS: usize = 256;

/// A relay on a loopback port in front of any server. It runs on the testkit's runtime, so a blocked or paused runtime of
/// the test does not stall it. Dropping it cuts it for good.
#[derive(Debug)]
pub struct Cuttable {
    url: Url,
    port: u16,
    route: Arc<Mutex<Route>>,
    state: Mutex<State>,
}

/// Target of new connections.
#[derive(Debug)]
struct Route {
    server: (String, u16),
    /// Delay per direction.
    delay: watch::Sender<Duration>,
}

#[derive(Debug)]
enum State {
    /// The accepting task, which owns the connections.
    Open(JoinHandle<()>),
    /// A bound socket that does not listen: it reserves the port, and the system refuses connections.
    Cut(TcpSocket),
    /// In transition, or closed.
    Neither,
}

impl Cuttable {
    /// Starts a relay in front of the server at `url`, such as [`crate::Schema::url`].
    ///
    /// # Errors
    /// The URL is invalid, or no port is free.
    pub async fn before(url: &str) -> Result<Self, Error> {
        let server: Url = url.parse().map_err(|error| Error::Machine(format!("server address: {error}")))?;
        let target = address::host_and_port(&server);
        on_testkit_runtime(async move {
            let socket = socket(0)?;
            let port = socket.local_addr().map_err(|error| io_error(&error))?.port();
            let relay = Self {
                url: address::with_loopback_port(&server, port),
                port,
                route: Arc::new(Mutex::new(Route {
                    server: target,
                    delay: watch::Sender::new(Duration::ZERO),
                })),
                state: Mutex::new(State::Neither),
            };
            relay.open(socket)?;
            Ok(relay)
        })
        .await
    }

    /// The URL of the server through the relay.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Resets all connections; new ones are refused when this returns. Idempotent.
    ///
    /// # Errors
    /// The port cannot be bound again.
    pub async fn cut(&self) -> Result<(), Error> {
        let State::Open(accepting) = self.replace(State::Neither) else { return Ok(()) };
        accepting.abort();
        // The listener and the connections are closed once the task has ended.
        let _ = accepting.await;
        let port = self.port;
        let socket = on_testkit_runtime(async move { socket(port) }).await?;
        self.replace(State::Cut(socket));
        Ok(())
    }

    /// Relays connections again, on the same port. Idempotent.
    ///
    /// # Errors
    /// The port cannot be bound again.
    pub async fn restore(&self) -> Result<(), Error> {
        match self.replace(State::Neither) {
            open @ State::Open(_) => {
                self.replace(open);
                Ok(())
            }
            State::Cut(socket) => self.open(socket),
            State::Neither => {
                let port = self.port;
                let socket = on_testkit_runtime(async move { socket(port) }).await?;
                self.open(socket)
            }
        }
    }

    /// Delays data in each direction from now on; zero ends the delay. Data stays complete and in order.
    pub fn delay(&self, delay: Duration) {
        self.route().delay.send_replace(delay);
    }

    /// Delays data on the existing connections from now on; new connections are not delayed.
    pub fn strand(&self, delay: Duration) {
        let stranded = std::mem::replace(&mut self.route().delay, watch::Sender::new(Duration::ZERO));
        stranded.send_replace(delay);
    }

    /// Relays new connections to the server at `url`, like a DNS name that moves. Existing ones are unaffected. The relay's
    /// own URL does not change, so user, password and database must be the same.
    ///
    /// # Errors
    /// The URL is invalid.
    pub fn point_to(&self, url: &str) -> Result<(), Error> {
        let server: Url = url.parse().map_err(|error| Error::Machine(format!("server address: {error}")))?;
        self.route().server = address::host_and_port(&server);
        Ok(())
    }

    fn route(&self) -> MutexGuard<'_, Route> {
        self.route.lock().expect("the lock is not poisoned")
    }

    /// Listens, with the listener on the testkit's runtime.
    fn open(&self, socket: TcpSocket) -> Result<(), Error> {
        let _guard = crate::runtime::enter();
        let listener = socket.listen(1024).map_err(|error| io_error(&error))?;
        self.replace(State::Open(spawn(accept(listener, Arc::clone(&self.route)))));
        Ok(())
    }

    fn replace(&self, state: State) -> State {
        std::mem::replace(&mut self.state.lock().expect("the lock is not poisoned"), state)
    }
}

impl Drop for Cuttable {
    fn drop(&mut self) {
        if let State::Open(accepting) = self.replace(State::Neither) {
            accepting.abort();
        }
    }
}

/// A socket bound to a loopback port (0: any), not listening yet.
fn socket(port: u16) -> Result<TcpSocket, Error> {
    let socket = TcpSocket::new_v4().map_err(|error| io_error(&error))?;
    // Connections in TIME_WAIT must not block the port.
    socket.set_reuseaddr(true).map_err(|error| io_error(&error))?;
    socket.bind(([127, 0, 0, 1], port).into()).map_err(|error| io_error(&error))?;
    Ok(socket)
}

fn io_error(error: &std::io::Error) -> Error {
    Error::io("a relay on 127.0.0.1", error)
}

/// Accepts until aborted. The connections end with their `JoinSet`.
async fn accept(listener: TcpListener, route: Arc<Mutex<Route>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    let (server, delay) = {
                        let route = route.lock().expect("the lock is not poisoned");
                        (route.server.clone(), route.delay.subscribe())
                    };
                    connections.spawn(relay(client, server, delay));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Both directions of one connection. Any end, also an abort, resets both sides, unless both have shut down their sending
/// half.
async fn relay(mut client: TcpStream, server: (String, u16), delay: watch::Receiver<Duration>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_zero_linger();
    }
    // Borrowed halves: an owned half shuts down cleanly on drop, which a cut must not do.
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let sent = copy(from_client, to_server, delay.clone());
    let received = copy(from_server, to_client, delay);
    let _ = tokio::try_join!(sent, received);
}

async fn copy(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    delay: watch::Receiver<Duration>,
) -> std::io::Result<()> {
    let (queue, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(QUEUE_CHUNKS);
    let read = async move {
        let mut chunk = vec![0; 16 << 10];
        loop {
            let length = from.read(&mut chunk).await?;
            let at = Instant::now() + *delay.borrow();
            // An empty chunk marks the end. A failed send means that the other side is closed.
            if queue.send((at, chunk[..length].to_vec())).await.is_err() || length == 0 {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((at, chunk)) = due.recv().await {
            sleep_until(at).await;
            if chunk.is_empty() {
                return to.shutdown().await;
            }
            to.write_all(&chunk).await?;
        }
        Ok(())
    };
    tokio::try_join!(read, write).map(drop)
}
