//! Bounds the calls that need no token, health and reflection: anybody can make them, so they are bounded in number and in time.

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

/// Streams of a kind (health is watched, reflection is asked) that are open at once.
const MOST_STREAMS: usize = 1_024;
/// The same, of one connection.
const MOST_OF_A_CONNECTION: usize = 8;
/// What a refused client is told to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long a call may take until its answer begins: its request has a few bytes, and nothing is asked of the database.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// Refuses streams beyond the bounds, and calls whose request does not come in time.
pub(super) fn layer<S>() -> LayerFn<impl Fn(S) -> Tokenless<S> + Clone> {
    let bounds = Bounds::new();
    layer_fn(move |inner| Tokenless { bounds: bounds.clone(), inner })
}

/// The streams that are open.
#[derive(Clone)]
struct Bounds {
    watches: Streams,
    reflections: Streams,
}

impl Bounds {
    fn new() -> Self {
        let streams = || Streams::at_most(MOST_STREAMS, MOST_OF_A_CONNECTION);
        Self { watches: streams(), reflections: streams() }
    }
}

#[derive(Clone)]
pub(super) struct Tokenless<S> {
    bounds: Bounds,
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
            "/grpc.health.v1.Health/Watch" => Some(&self.bounds.watches),
            path if path.starts_with("/grpc.reflection.") => Some(&self.bounds.reflections),
            _ => None,
        };
        let place = match streams.map(|streams| streams.take(Call::of(&request).peer())) {
            None => None,
            Some(Some(place)) => Some(place),
            Some(None) => return Either::Right(Box::pin(async { Ok(refusal().into_http()) })),
        };
        let answer = self.inner.call(request);
        Either::Right(Box::pin(async move {
            let Ok(answer) = tokio::time::timeout(ANSWERED_WITHIN, answer).await else {
                return Ok(status(&Error::DeadlineExceeded).into_http());
            };
            Ok(match place {
                None => answer?,
                Some(place) => answer?.map(|body| Body::new(Stream { body: Some(body), place })),
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
    /// By the address that they come from, the oldest first.
    peers: HashMap<Option<IpAddr>, Vec<Held>>,
}

struct Held {
    id: u64,
    /// Tells the connections of an address apart.
    port: u16,
    evicted: Arc<Evicted>,
}

/// Whether a stream has to make room for another.
#[derive(Default)]
struct Evicted {
    evicted: AtomicBool,
    waker: AtomicWaker,
}

/// A stream's place, given back when it is dropped.
struct Place {
    streams: Streams,
    peer: Option<IpAddr>,
    id: u64,
    evicted: Arc<Evicted>,
}

impl Streams {
    fn at_most(most: usize, most_of_a_connection: usize) -> Self {
        Self(Arc::new(Shared { open: Mutex::default(), most, most_of_a_connection }))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, unless the connection has as many as it may. Where all places are taken, the address that has the most gives
    /// one up to an address that has fewer.
    fn take(&self, peer: Option<SocketAddr>) -> Option<Place> {
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
            let newest = largest.pop()?.evicted;
            newest.evicted.store(true, Ordering::Release);
            newest.waker.wake();
            open.count -= 1;
        }
        open.count += 1;
        open.last_id += 1;
        let (id, evicted) = (open.last_id, Arc::new(Evicted::default()));
        open.peers.entry(peer).or_default().push(Held { id, port, evicted: Arc::clone(&evicted) });
        Some(Place { streams: self.clone(), peer, id, evicted })
    }
}

impl Drop for Place {
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

/// A stream that ends when its place is needed.
struct Stream {
    body: Option<Body>,
    place: Place,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.place.evicted.waker.register(cx.waker());
        if self.place.evicted.evicted.load(Ordering::Acquire) && self.body.take().is_some() {
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

    fn take(streams: &Streams, host: u8, port: u16) -> Option<Place> {
        streams.take(Some(([10, 0, 0, host], port).into()))
    }

    #[test]
    fn a_connection_has_its_share_and_gets_it_back() {
        let streams = Streams::at_most(100, 2);
        let first = take(&streams, 1, 1).unwrap();
        let _second = take(&streams, 1, 1).unwrap();
        assert!(take(&streams, 1, 1).is_none());
        let _other_connection = take(&streams, 1, 2).unwrap();
        drop(first);
        let _again = take(&streams, 1, 1).expect("its place was not given back");
    }

    #[test]
    fn the_address_that_has_the_most_makes_room_for_one_that_has_fewer() {
        let streams = Streams::at_most(4, 8);
        let mut hostile: Vec<_> = (0..4).map(|port| take(&streams, 1, port).unwrap()).collect();
        assert!(take(&streams, 1, 9).is_none(), "its own newcomer got room");
        let one = take(&streams, 2, 1).expect("a newcomer with none");
        let _two = take(&streams, 2, 2).expect("a newcomer with one, where the other has three");
        assert!(take(&streams, 2, 3).is_none(), "both have two");
        let evicted = |place: &Place| place.evicted.evicted.load(Ordering::Acquire);
        assert_eq!(hostile.iter().map(evicted).collect::<Vec<_>>(), [false, false, true, true]);
        assert!(!evicted(&one));
        assert_eq!(streams.lock().count, 4);
        hostile.clear();
        assert_eq!(streams.lock().count, 2, "an evicted stream gave its place back twice");
    }

    #[tokio::test]
    async fn a_stream_that_makes_room_ends_with_resource_exhausted() {
        let streams = Streams::at_most(2, 8);
        let _first = take(&streams, 1, 1).unwrap();
        let place = take(&streams, 1, 2).unwrap();
        let mut body = Stream { body: Some(Body::new(Never)), place };
        assert!(frame(&mut body).now_or_never().is_none());
        let _newcomer = take(&streams, 2, 1).unwrap();
        let trailers = frame(&mut body).await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(Status::from_header_map(&trailers).unwrap().code(), Code::ResourceExhausted);
        assert!(frame(&mut body).await.is_none());
    }

    async fn frame(body: &mut Stream) -> Option<Result<Frame<Bytes>, Status>> {
        poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
    }

    /// A stream that says nothing.
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
    async fn a_request_that_does_not_come_is_given_up_and_its_place_is_free_again() {
        let never = service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, ()>>());
        let bounds = Bounds::new();
        for path in ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", "/no.such/Method"] {
            let mut request = Request::new(Body::empty());
            *request.uri_mut() = path.parse().unwrap();
            let begun = tokio::time::Instant::now();
            let answer = Tokenless { bounds: bounds.clone(), inner: never }.call(request).await.unwrap();
            let code = Status::from_header_map(answer.headers()).unwrap().code();
            assert_eq!(code, Code::DeadlineExceeded, "{path}");
            assert!(begun.elapsed() < Duration::from_secs(6), "{path}");
        }
        assert_eq!(bounds.watches.lock().count, 0);
    }
}
