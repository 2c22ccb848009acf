//! Bodies whose bytes are counted: requests while they are incomplete, and responses until the client has read them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Either};
use http::{Request, Response};
use http_body::{Body as _, Frame};
use pin_project_lite::pin_project;
use prism_contract::Error;
use prism_wire::body::FrameFilter;
use prism_wire::status::status;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::buffers::{Account, Full, Held, Reserved, SMALL};
use super::call::Call;
use super::panics::trailers;
use super::shed::RETRY_AFTER;

/// Maximum chunk of a response handed to HTTP/2 at a time, which accepts a whole chunk however small its window is.
const CHUNK: usize = 16 << 10;
/// Size from which a message of an endless stream says that the stream is catching up, so that more follow at once.
const LARGE: usize = 64 << 10;

/// Refuses a call for lack of room.
fn full(account: &Account) -> Status {
    account.count_refused();
    status(&Error::ResourceExhausted(RETRY_AFTER))
}

/// Starts a read when its connection has room for the response, and counts the bytes of all responses.
#[derive(Debug, Clone)]
pub(super) struct Answers<S>(pub(super) S);

impl<S> Service<Request<Body>> for Answers<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<Counting<S::Future>, BoxFuture<'static, Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let call = Call::of(&request);
        let Some(connection) = call.connection() else {
            return Either::Left(Counting { answer: self.0.call(request), counted: None });
        };
        let account = Arc::clone(connection.account());
        let (room, repeat) = match call.method() {
            None => (Room::Limited, Repeat::Never),
            Some(method) if !method.reads() => (Room::Unlimited, Repeat::Never),
            // It waits for most of its messages, and must not hold room meanwhile.
            Some(method) if method.is_endless() => (Room::Limited, Repeat::AfterLarge),
            Some(method) => {
                let repeat = if method.streams { Repeat::Always } else { Repeat::Never };
                let Ok(room) = account.reserve_at_once() else {
                    let mut inner = self.0.clone();
                    return Either::Right(Box::pin(async move {
                        let Ok(room) = account.reserve().await else { return Ok(full(&account).into_http()) };
                        let room = Room::Reserved(room);
                        Ok(count(inner.call(request).await?, account, room, repeat))
                    }));
                };
                (Room::Reserved(room), repeat)
            }
        };
        Either::Left(Counting { answer: self.0.call(request), counted: Some((account, room, repeat)) })
    }
}

pin_project! {
    /// A pending response whose bytes will be counted.
    pub(super) struct Counting<F> {
        #[pin]
        answer: F,
        // `None`: not counted, or counted already.
        counted: Option<(Arc<Account>, Room, Repeat)>,
    }
}

impl<F: Future<Output = Result<Response<Body>, E>>, E> Future for Counting<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(cx));
        Poll::Ready(match this.counted.take() {
            Some((account, room, repeat)) => answer.map(|answer| count(answer, account, room, repeat)),
            None => answer,
        })
    }
}

fn count(response: Response<Body>, account: Arc<Account>, room: Room, repeat: Repeat) -> Response<Body> {
    if response.body().is_end_stream() {
        return response;
    }
    response.map(|body| Body::new(Answer { body: Some(body), account, room, repeat, unsent: Bytes::new() }))
}

/// A response whose bytes are counted from when they are made until HTTP/2 has sent them.
struct Answer {
    /// `None` once it has ended.
    body: Option<Body>,
    account: Arc<Account>,
    room: Room,
    repeat: Repeat,
    /// Bytes not yet handed to HTTP/2.
    unsent: Bytes,
}

/// Room for the next message.
enum Room {
    /// Counted once it is made, and never refused: the call has already taken effect.
    Unlimited,
    /// Counted once it is made, and refused if there is no room.
    Limited,
    Reserved(Reserved),
    Needed,
    Waiting(BoxFuture<'static, Result<Reserved, Full>>),
}

/// Which further messages of a response need a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Never,
    /// Each.
    Always,
    /// The one after a [`LARGE`] message, so that a stream that catches up is delayed and not refused. Others are counted once
    /// they are made, and refused if there is no room.
    AfterLarge,
}

impl Repeat {
    fn needs_room_after(self, size: usize) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::AfterLarge => size >= LARGE,
        }
    }
}

impl Answer {
    /// Waits until there is room for the next message, if it needs room.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Full>> {
        if let Room::Needed = self.room {
            // The stream's earlier messages were read, so it waits for other streams only if there is no room at all.
            let account = Arc::clone(&self.account);
            self.room = match account.reserve_now() {
                Ok(room) => Room::Reserved(room),
                Err(Full) => Room::Waiting(async move { account.reserve().await }.boxed()),
            };
        }
        if let Room::Waiting(waiting) = &mut self.room {
            let room = ready!(waiting.as_mut().poll(cx))?;
            self.room = Room::Reserved(room);
        }
        Poll::Ready(Ok(()))
    }

    /// Ends the response for lack of room.
    fn refuse(&mut self) -> Frame<Bytes> {
        self.body = None;
        trailers(&full(&self.account))
    }

    /// Counts new bytes; `None`: there is no room for them.
    fn hold(&mut self, bytes: Bytes) -> Option<Bytes> {
        let size = bytes.len();
        let held = match std::mem::replace(&mut self.room, Room::Unlimited) {
            Room::Reserved(room) => {
                if self.repeat == Repeat::AfterLarge {
                    self.room = Room::Limited;
                }
                room.commit(size)
            }
            room if size <= SMALL => {
                self.room = room;
                Ok(None)
            }
            Room::Limited => {
                self.room = Room::Limited;
                self.account.hold(size).map(Some)
            }
            Room::Unlimited | Room::Needed | Room::Waiting(_) => Ok(Some(self.account.hold_always(size))),
        };
        if self.repeat.needs_room_after(size) {
            self.room = Room::Needed;
        }
        Some(match held.ok()? {
            Some(held) => held.keep(bytes),
            None => bytes,
        })
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            if !this.unsent.is_empty() {
                let chunk = this.unsent.split_to(this.unsent.len().min(CHUNK));
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            if this.body.is_none() {
                return Poll::Ready(None);
            }
            if ready!(this.poll_room(cx)).is_err() {
                return Poll::Ready(Some(Ok(this.refuse())));
            }
            let Some(body) = &mut this.body else { return Poll::Ready(None) };
            let Some(frame) = ready!(Pin::new(body).poll_frame(cx)?) else {
                this.body = None;
                return Poll::Ready(None);
            };
            match frame.into_data() {
                Ok(data) => match this.hold(data) {
                    Some(data) => this.unsent = data,
                    None => return Poll::Ready(Some(Ok(this.refuse()))),
                },
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.unsent.is_empty() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }
}

/// Counts a request's bytes while it is incomplete.
pub(super) struct Arriving {
    account: Arc<Account>,
    held: Option<Held>,
}

impl Arriving {
    pub(super) fn new(account: Arc<Account>) -> Self {
        Self { account, held: None }
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Full> {
        let held = self.account.hold(bytes)?;
        match &mut self.held {
            Some(all) => all.add(held),
            None => self.held = Some(held),
        }
        Ok(())
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> FrameFilter<E> for Arriving {
    type Error = Status;

    fn frame(
        &mut self,
        frame: Option<Result<Frame<Bytes>, E>>,
        is_end: impl FnOnce() -> bool,
    ) -> Option<Result<Frame<Bytes>, Status>> {
        let frame = match frame? {
            Ok(frame) => frame,
            Err(error) => return Some(Err(Status::from_error(error.into()))),
        };
        if let Some(data) = frame.data_ref()
            && !(self.held.is_none() && is_end())
            && self.hold(data.len()).is_err()
        {
            return Some(Err(full(&self.account)));
        }
        Some(Ok(frame))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::super::buffers::Buffers;
    use super::*;

    /// A stream whose messages a test sends.
    struct Sent(mpsc::UnboundedReceiver<Bytes>);

    impl http_body::Body for Sent {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            self.0.poll_recv(cx).map(|message| message.map(|message| Ok(Frame::data(message))))
        }
    }

    /// The bytes that are ready to be sent.
    fn read(body: &mut Body) -> usize {
        let mut bytes = 0;
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(frame)) = Pin::new(&mut *body).poll_frame(&mut cx) {
            bytes += frame.unwrap().into_data().unwrap().len();
        }
        bytes
    }

    #[tokio::test]
    async fn an_endless_stream_holds_room_while_it_waits_only_after_a_large_message() {
        let account = Buffers::new(64 << 20).account(CancellationToken::new());
        let (send, sent) = mpsc::unbounded_channel();
        let response = Response::new(Body::new(Sent(sent)));
        let answer = count(response, Arc::clone(&account), Room::Limited, Repeat::AfterLarge);
        let mut body = answer.into_body();
        for (size, reserves) in [(0, false), (100, false), (LARGE - 1, false), (LARGE, true), (100, false)] {
            send.send(Bytes::from(vec![0; size])).unwrap();
            assert_eq!(read(&mut body), size);
            assert_eq!(account.has_reserved(), reserves, "after {size} bytes");
        }
    }
}
