//! A place on the way to a server where the way can be cut: for tests of outages, on a server that other tests share.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::runtime::{on_own_runtime, spawn};
use crate::{Error, address};

/// How much of one connection may be under way in one direction while it is delayed, in pieces of at most 16 KiB.
const UNDER_WAY: usize = 256;

/// A relay on a port of loopback in front of a server. It works whichever way the server was found, and on the provider's
/// own runtime: neither a blocked nor a paused runtime of the test holds it up. Dropping it cuts it for good.
#[derive(Debug)]
pub struct Cuttable {
    url: Url,
    port: u16,
    route: Arc<Mutex<Route>>,
    state: Mutex<State>,
}

/// Where connections are led from now on.
#[derive(Debug)]
struct Route {
    server: (String, u16),
    /// What is held back on them, and for how long.
    delay: watch::Sender<Duration>,
}

#[derive(Debug)]
enum State {
    /// The task that accepts, and that owns the connections.
    Open(JoinHandle<()>),
    /// A socket that keeps the port and does not listen on it, so that the system refuses who comes.
    Cut(TcpSocket),
    /// Between the two, or gone.
    Neither,
}

impl Cuttable {
    /// Puts a relay before the server of `url`, such as [`crate::Schema::url`].
    ///
    /// # Errors
    /// The address is none, or no port is free.
    pub async fn before(url: &str) -> Result<Self, Error> {
        let server: Url =
            url.parse().map_err(|error| Error::Machine(format!("the address of a server: {error}")))?;
        let place = address::place(&server);
        on_own_runtime(async move {
            let socket = socket(0)?;
            let port = socket.local_addr().map_err(|error| refused(&error))?.port();
            let relay = Self {
                url: address::with_place(&server, port),
                port,
                route: Arc::new(Mutex::new(Route {
                    server: place,
                    delay: watch::Sender::new(Duration::ZERO),
                })),
                state: Mutex::new(State::Neither),
            };
            relay.open(socket)?;
            Ok(relay)
        })
        .await
    }

    /// The address of the server, by way of the relay.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Resets all connections, and refuses new ones from when this returns. Cutting twice is cutting once.
    ///
    /// # Errors
    /// The system does not give the port back.
    pub async fn cut(&self) -> Result<(), Error> {
        let State::Open(accepting) = self.replace(State::Neither) else { return Ok(()) };
        accepting.abort();
        // The listener and the connections are closed once the task is gone.
        let _ = accepting.await;
        let port = self.port;
        let socket = on_own_runtime(async move { socket(port) }).await?;
        self.replace(State::Cut(socket));
        Ok(())
    }

    /// Lets connections through again, on the same port. Restoring twice is restoring once.
    ///
    /// # Errors
    /// The system does not give the port back.
    pub async fn restore(&self) -> Result<(), Error> {
        match self.replace(State::Neither) {
            open @ State::Open(_) => {
                self.replace(open);
                Ok(())
            }
            State::Cut(socket) => self.open(socket),
            State::Neither => {
                let port = self.port;
                let socket = on_own_runtime(async move { socket(port) }).await?;
                self.open(socket)
            }
        }
    }

    /// Holds back what arrives from now on, in each direction, for this long; zero ends it. It takes time only: what was
    /// sent arrives whole and in order.
    pub fn delay(&self, delay: Duration) {
        self.route().delay.send_replace(delay);
    }

    /// Holds back what arrives from now on for this long, on the connections that there are; those made from now on are not
    /// held back.
    pub fn strand(&self, delay: Duration) {
        let stranded = std::mem::replace(&mut self.route().delay, watch::Sender::new(Duration::ZERO));
        stranded.send_replace(delay);
    }

    /// Leads connections that are made from now on to the server of `url`, as a name does that moves. Those that there are
    /// stay where they are. The address by way of the relay stays as it was: user, password and database are to be the same.
    ///
    /// # Errors
    /// The address is none.
    pub fn point_to(&self, url: &str) -> Result<(), Error> {
        let server: Url =
            url.parse().map_err(|error| Error::Machine(format!("the address of a server: {error}")))?;
        self.route().server = address::place(&server);
        Ok(())
    }

    fn route(&self) -> MutexGuard<'_, Route> {
        self.route.lock().expect("nobody panics while it is held")
    }

    /// Listens. On the provider's runtime, which the listener then belongs to.
    fn open(&self, socket: TcpSocket) -> Result<(), Error> {
        let _guard = crate::runtime::enter();
        let listener = socket.listen(1024).map_err(|error| refused(&error))?;
        self.replace(State::Open(spawn(accept(listener, Arc::clone(&self.route)))));
        Ok(())
    }

    fn replace(&self, state: State) -> State {
        std::mem::replace(&mut self.state.lock().expect("nobody panics while it is held"), state)
    }
}

impl Drop for Cuttable {
    fn drop(&mut self) {
        if let State::Open(accepting) = self.replace(State::Neither) {
            accepting.abort();
        }
    }
}

/// A socket on a port of loopback (0: any) that does not listen yet.
fn socket(port: u16) -> Result<TcpSocket, Error> {
    let socket = TcpSocket::new_v4().map_err(|error| refused(&error))?;
    // Connections that were here a moment ago do not keep the port.
    socket.set_reuseaddr(true).map_err(|error| refused(&error))?;
    socket.bind(([127, 0, 0, 1], port).into()).map_err(|error| refused(&error))?;
    Ok(socket)
}

fn refused(error: &std::io::Error) -> Error {
    Error::io("a relay on 127.0.0.1", error)
}

/// Accepts until it is aborted. The connections go with the set that they are in.
async fn accept(listener: TcpListener, route: Arc<Mutex<Route>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    let (server, delay) = {
                        let route = route.lock().expect("nobody panics while it is held");
                        (route.server.clone(), route.delay.subscribe())
                    };
                    connections.spawn(relay(client, server, delay));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Both directions of one connection. Whatever ends it, also an abort in the middle, ends it by a reset on both sides,
/// unless both have said that they are done.
async fn relay(mut client: TcpStream, server: (String, u16), delay: watch::Receiver<Duration>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_zero_linger();
    }
    // Borrowed halves: an owned one says goodbye when it is dropped, and a cut does not.
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
    let (queue, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let read = async move {
        let mut piece = vec![0; 16 << 10];
        loop {
            let length = from.read(&mut piece).await?;
            let at = Instant::now() + *delay.borrow();
            // An empty piece is the end. Nobody takes it any more: the other side is gone.
            if queue.send((at, piece[..length].to_vec())).await.is_err() || length == 0 {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((at, piece)) = due.recv().await {
            sleep_until(at).await;
            if piece.is_empty() {
                return to.shutdown().await;
            }
            to.write_all(&piece).await?;
        }
        Ok(())
    };
    tokio::try_join!(read, write).map(drop)
}
