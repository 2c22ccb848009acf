//! Limits the number and the duration of calls that need no token, health and reflection, since any client can make them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, Either};
use futures::task::AtomicWaker;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use prism_contract::Error;
use prism_wire::status::status;
use tonic::Status;
use tonic::body::Body;
use tower::Service;
use tower::layer::{LayerFn, layer_fn};

use super::call::Call;
use super::panics::trailers;

/// Maximum open streams of a kind (health watches, reflection).
const MOST_STREAMS: usize = 1_024;
/// The same, per connection.
const MOST_OF_A_CONNECTION: usize = 8;
/// Retry delay sent to a refused client.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Time limit until the response begins: the request is a few bytes, and the database is not involved.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Refuses streams beyond the limits, and calls whose request does not arrive in time.
pub(super) fn layer<S>() -> LayerFn<impl Fn(S) -> Tokenless<S> + Clone> {
    let limits = Limits::new();
    layer_fn(move |inner| Tokenless { limits: limits.clone(), inner })
}

/// The open streams of each kind.
#[derive(Clone)]
struct Limits {
    watches: Streams,
    reflections: Streams,
}

impl Limits {
    fn new() -> Self {
        let streams = || Streams::at_most(MOST_STREAMS, MOST_OF_A_CONNECTION);
        Self { watches: streams(), reflections: streams() }
    }
}

#[derive(Clone)]
pub(super) struct Tokenless<S> {
    limits: Limits,
    inner: S,
}

impl<S> Service<Request<Body>> for Tokenless<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        if path.starts_with("/prism.") {
            return Either::Left(self.inner.call(request));
        }
        let streams = match path {
            "/grpc.health.v1.Health/Watch" => Some(&self.limits.watches),
            path if path.starts_with("/grpc.reflection.") => Some(&self.limits.reflections),
            _ => None,
        };
        let permit = match streams.map(|streams| streams.acquire(Call::of(&request).peer())) {
            None => None,
            Some(Some(permit)) => Some(permit),
            Some(None) => return Either::Right(Box::pin(async { Ok(refusal().into_http()) })),
        };
        let answer = self.inner.call(request);
        Either::Right(Box::pin(async move {
            let Ok(answer) = tokio::time::timeout(RESPONSE_TIMEOUT, answer).await else {
                return Ok(status(&Error::DeadlineExceeded).into_http());
            };
            Ok(match permit {
                None => answer?,
                Some(permit) => answer?.map(|body| Body::new(Stream { body: Some(body), permit })),
            })
        }))
    }
}

fn refusal() -> Status {
    status(&Error::ResourceExhausted(RETRY_AFTER))
}

/// The open streams of a kind.
#[derive(Clone)]
struct Streams(Arc<Shared>);

struct Shared {
    open: Mutex<Open>,
    most: usize,
    most_of_a_connection: usize,
}

#[derive(Default)]
struct Open {
    count: usize,
    last_id: u64,
    /// By client address, oldest first.
    peers: HashMap<Option<IpAddr>, Vec<Held>>,
}

struct Held {
    id: u64,
    /// Distinguishes the connections of an address.
    port: u16,
    eviction: Arc<Eviction>,
}

/// The signal for a stream to make room for another.
#[derive(Default)]
struct Eviction {
    requested: AtomicBool,
    waker: AtomicWaker,
}

/// The right to have a stream open, returned on drop.
struct Permit {
    streams: Streams,
    peer: Option<IpAddr>,
    id: u64,
    eviction: Arc<Eviction>,
}

impl Streams {
    fn at_most(most: usize, most_of_a_connection: usize) -> Self {
        Self(Arc::new(Shared { open: Mutex::default(), most, most_of_a_connection }))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A permit, unless the connection is at its limit. If all permits are taken, a stream of the address that has the most
    /// is evicted for an address that has fewer.
    fn acquire(&self, peer: Option<SocketAddr>) -> Option<Permit> {
        let (peer, port) = (peer.map(|peer| peer.ip()), peer.map_or(0, |peer| peer.port()));
        let mut open = self.lock();
        let held = open.peers.get(&peer).map_or(&[][..], Vec::as_slice);
        if held.iter().filter(|held| held.port == port).count() >= self.0.most_of_a_connection {
            return None;
        }
        let fewer_than = held.len() + 1;
        if open.count >= self.0.most {
            let largest = open.peers.values_mut().max_by_key(|held| held.len())?;
            if largest.len() <= fewer_than {
                return None;
            }
            let newest = largest.pop()?.eviction;
            newest.requested.store(true, Ordering::Release);
            newest.waker.wake();
            open.count -= 1;
        }
        open.count += 1;
        open.last_id += 1;
        let (id, eviction) = (open.last_id, Arc::new(Eviction::default()));
        open.peers.entry(peer).or_default().push(Held { id, port, eviction: Arc::clone(&eviction) });
        Some(Permit { streams: self.clone(), peer, id, eviction })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        let Some(held) = open.peers.get_mut(&self.peer) else { return };
        let Some(at) = held.iter().position(|held| held.id == self.id) else { return };
        held.remove(at);
        if held.is_empty() {
            open.peers.remove(&self.peer);
        }
        open.count -= 1;
    }
}

/// A stream that ends when it is evicted.
struct Stream {
    body: Option<Body>,
    permit: Permit,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.permit.eviction.waker.register(cx.waker());
        if self.permit.eviction.requested.load(Ordering::Acquire) && self.body.take().is_some() {
            return Poll::Ready(Some(Ok(trailers(&refusal()))));
        }
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        Pin::new(body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::poll_fn;
    use http_body::Body as _;
    use tonic::Code;
    use tower::service_fn;

    use super::*;

    fn acquire(streams: &Streams, host: u8, port: u16) -> Option<Permit> {
        streams.acquire(Some(([10, 0, 0, host], port).into()))
    }

    #[test]
    fn a_connection_has_its_limit_and_can_reuse_returned_permits() {
        let streams = Streams::at_most(100, 2);
        let first = acquire(&streams, 1, 1).unwrap();
        let _second = acquire(&streams, 1, 1).unwrap();
        assert!(acquire(&streams, 1, 1).is_none());
        let _other_connection = acquire(&streams, 1, 2).unwrap();
        drop(first);
        let _again = acquire(&streams, 1, 1).expect("its permit was not returned");
    }

    #[test]
    fn the_address_with_the_most_streams_makes_room_for_one_with_fewer() {
        let streams = Streams::at_most(4, 8);
        let mut hostile: Vec<_> = (0..4).map(|port| acquire(&streams, 1, port).unwrap()).collect();
        assert!(acquire(&streams, 1, 9).is_none(), "evicted for the same address");
        let one = acquire(&streams, 2, 1).expect("an address with none");
        let _two = acquire(&streams, 2, 2).expect("an address with one, where the other has three");
        assert!(acquire(&streams, 2, 3).is_none(), "both have two");
        let evicted = |permit: &Permit| permit.eviction.requested.load(Ordering::Acquire);
        assert_eq!(hostile.iter().map(evicted).collect::<Vec<_>>(), [false, false, true, true]);
        assert!(!evicted(&one));
        assert_eq!(streams.lock().count, 4);
        hostile.clear();
        assert_eq!(streams.lock().count, 2, "an evicted stream returned its permit twice");
    }

    #[tokio::test]
    async fn an_evicted_stream_ends_with_resource_exhausted() {
        let streams = Streams::at_most(2, 8);
        let _first = acquire(&streams, 1, 1).unwrap();
        let permit = acquire(&streams, 1, 2).unwrap();
        let mut body = Stream { body: Some(Body::new(Never)), permit };
        assert!(frame(&mut body).now_or_never().is_none());
        let _newcomer = acquire(&streams, 2, 1).unwrap();
        let trailers = frame(&mut body).await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(Status::from_header_map(&trailers).unwrap().code(), Code::ResourceExhausted);
        assert!(frame(&mut body).await.is_none());
    }

    async fn frame(body: &mut Stream) -> Option<Result<Frame<Bytes>, Status>> {
        poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
    }

    /// A stream that yields nothing.
    struct Never;

    impl http_body::Body for Never {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_does_not_arrive_times_out_and_frees_its_permit() {
        let never = service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, ()>>());
        let limits = Limits::new();
        for path in ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", "/no.such/Method"] {
            let mut request = Request::new(Body::empty());
            *request.uri_mut() = path.parse().unwrap();
            let begun = tokio::time::Instant::now();
            let answer = Tokenless { limits: limits.clone(), inner: never }.call(request).await.unwrap();
            let code = Status::from_header_map(answer.headers()).unwrap().code();
            assert_eq!(code, Code::DeadlineExceeded, "{path}");
            assert!(begun.elapsed() < Duration::from_secs(6), "{path}");
        }
        assert_eq!(limits.watches.lock().count, 0);
    }
}
