//! A raw HTTP/2 client for misuse that no gRPC library allows: abandoned calls, unread responses.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use prost::Message;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

/// An HTTP/2 connection.
pub(crate) struct Raw {
    pub(crate) requests: SendRequest<Bytes>,
    /// Ends when the connection does.
    pub(crate) connection: JoinHandle<Result<(), h2::Error>>,
}

/// A started call.
pub(crate) struct RawCall {
    pub(crate) answer: ResponseFuture,
    pub(crate) request: SendStream<Bytes>,
}

impl Raw {
    /// A connection with a flow-control window of `window` bytes per stream.
    pub(crate) async fn connect(address: SocketAddr, window: u32) -> Self {
        Self::connect_from(Ipv4Addr::LOCALHOST, address, window).await.expect("no connection")
    }

    /// A connection from another address of this machine; `None` if the server closes it.
    pub(crate) async fn connect_from(from: Ipv4Addr, address: SocketAddr, window: u32) -> Option<Self> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let stream = socket.connect(address).await.ok()?;
        let mut builder = Builder::new();
        builder.initial_window_size(window).initial_connection_window_size(1 << 30);
        let (requests, connection) = builder.handshake(stream).await.ok()?;
        let connection = tokio::spawn(connection);
        Some(Self { requests: requests.ready().await.ok()?, connection })
    }

    /// Starts a call without sending a message.
    pub(crate) async fn begin(&mut self, method: &str) -> RawCall {
        self.begin_with(method, &[]).await
    }

    pub(crate) async fn begin_with(&mut self, method: &str, headers: &[(&'static str, &str)]) -> RawCall {
        let uri = format!("http://prism/prism.keyvalue.v1.KeyValueService/{method}");
        let mut request =
            Request::post(uri).header("content-type", "application/grpc").header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut ready = self.requests.clone().ready().await.expect("the connection ended");
        let (answer, request) = ready.send_request(request.body(()).unwrap(), false).unwrap();
        RawCall { answer, request }
    }

    /// Makes a call without reading its response.
    pub(crate) async fn call(&mut self, method: &str, message: impl Message) -> RawCall {
        let mut call = self.begin(method).await;
        call.send(frame(&message), true);
        call
    }
}

impl RawCall {
    pub(crate) fn send(&mut self, bytes: impl Into<Bytes>, end: bool) {
        self.request.send_data(bytes.into(), end).unwrap();
    }

    /// The status of the call and the size of its response; a reset is an error.
    pub(crate) async fn status(self) -> Result<(String, usize), h2::Error> {
        let answer = self.answer.await?;
        if let Some(status) = answer.headers().get("grpc-status") {
            return Ok((status.to_str().unwrap().to_owned(), 0));
        }
        let mut body: RecvStream = answer.into_body();
        let mut bytes = 0;
        while let Some(data) = body.data().await {
            let data = data?;
            bytes += data.len();
            let _ = body.flow_control().release_capacity(data.len());
        }
        let trailers: HeaderMap = body.trailers().await?.expect("an answer without trailers");
        Ok((trailers["grpc-status"].to_str().unwrap().to_owned(), bytes))
    }
}

/// A message in gRPC framing.
pub(crate) fn frame(message: &impl Message) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut framed).unwrap();
    framed.freeze()
}
