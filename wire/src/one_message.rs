//! A service around one whose methods each take one message: the whole request is seen before its handler runs (ERR-3).
//!
//! The framework reads a request to its end, but takes no notice of a second message, and takes a stream that was reset
//! for one that ended. Here the body is counted as it passes: what is not exactly one message, and ended by its client,
//! reaches no handler. Counting looks at five bytes of each message and allocates nothing.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use prism_proto::common::ErrorReason;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

use crate::body::{Filtered, FrameFilter};
use crate::status::framework;

/// The length of what stands before each message: a flag, and the message's length in four bytes.
const PREFIX: usize = 5;

/// The status of a request whose body broke off. The framework takes a CANCELLED of a request's body for its end, so this
/// one has another code on its way to [`Statuses`](crate::layer::Statuses), which makes it CANCELLED.
pub(crate) const BROKEN: (Code, &str) = (Code::Aborted, "the request broke off");

/// A service that is called with requests of one message each.
#[derive(Debug, Clone)]
pub struct OneMessage<S>(S);

impl<S> OneMessage<S> {
    /// Puts `service`, all of whose methods take one message, behind the check. [`StatusesLayer`](crate::layer) has to be
    /// around it, and each body has to say its end by `is_end_stream`, as those of the framework do.
    pub const fn new(service: S) -> Self {
        Self(service)
    }
}

impl<S: NamedService> NamedService for OneMessage<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B, O> Service<Request<B>> for OneMessage<S>
where
    S: Service<Request<Counted<B>>, Response = Response<O>, Error = Infallible>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0.call(request.map(|body| Filtered::new(body, Count::default())))
    }
}

/// A request's body, counted as it is read.
pub type Counted<B> = Filtered<B, Count>;

/// How far into its one message a request is.
#[derive(Debug, Default)]
pub struct Count {
    prefix: [u8; PREFIX],
    /// How many bytes of the prefix came.
    prefixed: usize,
    /// How many bytes of the message are still to come, once the prefix came.
    missing: usize,
}

impl Count {
    /// Takes note of `data`; fails where a byte follows the message.
    fn add(&mut self, mut data: &[u8]) -> Result<(), Status> {
        if self.prefixed < PREFIX {
            let (now, rest) = data.split_at(data.len().min(PREFIX - self.prefixed));
            self.prefix[self.prefixed..self.prefixed + now.len()].copy_from_slice(now);
            self.prefixed += now.len();
            data = rest;
            if self.prefixed == PREFIX {
                let [_, length @ ..] = self.prefix;
                self.missing = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            }
        }
        if data.len() > self.missing {
            return Err(malformed(
                "the request goes on after its first message; this method takes one message",
            ));
        }
        self.missing -= data.len();
        Ok(())
    }

    /// The client says that this is all.
    fn end(&self) -> Result<(), Status> {
        match (self.prefixed, self.missing) {
            (0, _) => Err(malformed("the request holds no message; this method takes one message")),
            (PREFIX, 0) => Ok(()),
            _ => Err(malformed("the request ends within its message")),
        }
    }
}

fn malformed(message: &str) -> Status {
    framework(Code::InvalidArgument, ErrorReason::MalformedMessage, message)
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> FrameFilter<E> for Count {
    type Error = Status;

    const SEES_END: bool = true;

    fn frame(
        &mut self,
        frame: Option<Result<Frame<Bytes>, E>>,
        is_end: impl FnOnce() -> bool,
    ) -> Option<Result<Frame<Bytes>, Status>> {
        match frame {
            Some(Ok(frame)) => Some(match frame.data_ref() {
                Some(data) => self.add(data).map(|()| frame),
                // The trailers of a request are its end.
                None => self.end().map(|()| frame),
            }),
            Some(Err(error)) => Some(Err(broken(error.into()))),
            // A stream that its client resets without an error is read to its end as well: only END_STREAM ends a request.
            None if !is_end() => Some(Err(off())),
            None => self.end().err().map(Err),
        }
    }
}

/// A layer that refused the request as it was read says so in a status with details, which stands. Anything else is the
/// transport's: the client reset the stream or went away, and no handler may take that for the end of the request.
fn broken(error: Box<dyn std::error::Error + Send + Sync>) -> Status {
    match error.downcast::<Status>() {
        Ok(status) if !status.details().is_empty() => *status,
        Ok(_) | Err(_) => off(),
    }
}

fn off() -> Status {
    Status::new(BROKEN.0, BROKEN.1)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::pin::Pin;

    use http_body::Body;
    use rstest::rstest;

    use super::*;

    /// A body of these chunks that ends, or breaks off with an error, or just stops.
    struct Chunks {
        left: VecDeque<Result<&'static [u8], Status>>,
        ends: bool,
    }

    impl Body for Chunks {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            let next = self.left.pop_front();
            Poll::Ready(next.map(|next| next.map(|chunk| Frame::data(Bytes::from_static(chunk)))))
        }

        fn is_end_stream(&self) -> bool {
            self.left.is_empty() && self.ends
        }
    }

    /// How many bytes passed, and the status that ended them.
    async fn read(
        chunks: impl IntoIterator<Item = Result<&'static [u8], Status>>,
    ) -> (usize, Option<Status>) {
        read_of(Chunks { left: chunks.into_iter().collect(), ends: true }).await
    }

    async fn read_of(chunks: Chunks) -> (usize, Option<Status>) {
        let mut body = Filtered::new(chunks, Count::default());
        let mut bytes = 0;
        loop {
            match std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                Some(Ok(frame)) => bytes += frame.into_data().map_or(0, |data| data.len()),
                Some(Err(status)) => return (bytes, Some(status)),
                None => return (bytes, None),
            }
        }
    }

    #[rstest]
    #[case::empty(&["\0\0\0\0\0"])]
    #[case::at_once(&["\0\0\0\0\x03abc"])]
    #[case::a_cut_prefix(&["\0\0", "", "\0\0\x03a", "bc"])]
    #[case::a_prefix_alone(&["\0\0\0\0\x03", "abc", ""])]
    #[tokio::test]
    async fn one_message_passes_however_it_is_cut(#[case] chunks: &[&'static str]) {
        let all = chunks.iter().map(|chunk| chunk.len()).sum();
        let (bytes, status) = read(chunks.iter().map(|chunk| Ok(chunk.as_bytes()))).await;
        assert_eq!((bytes, status.map(|status| status.code())), (all, None));
    }

    #[rstest]
    #[case::none(&[], "no message")]
    #[case::half_a_prefix(&["\0\0\0"], "within its message")]
    #[case::half_a_message(&["\0\0\0\0\x03a"], "within its message")]
    #[case::two(&["\0\0\0\0\x01a\0\0\0\0\x01"], "after its first message")]
    #[case::two_apart(&["\0\0\0\0\x01a", "\0\0\0\0\x01"], "after its first message")]
    #[case::a_second_prefix(&["\0\0\0\0\0", "\0"], "after its first message")]
    #[tokio::test]
    async fn anything_but_one_message_is_malformed(#[case] chunks: &[&'static str], #[case] why: &str) {
        let status = read(chunks.iter().map(|chunk| Ok(chunk.as_bytes()))).await.1.expect("a status");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(why) && !status.details().is_empty(), "{status:?}");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_has_not_ended_and_a_layers_refusal_stands() {
        for code in [Code::Cancelled, Code::Unknown, Code::Internal] {
            let status = read([Ok(&b"\0\0\0\0\x01a"[..]), Err(Status::new(code, "reset"))]).await.1;
            assert_eq!(status.expect("a status").code(), BROKEN.0);
        }
        let stops = Chunks { left: [Ok(&b"\0\0\0\0\x01a"[..])].into(), ends: false };
        assert_eq!(read_of(stops).await.1.expect("a status").code(), BROKEN.0);
        let shed = framework(Code::ResourceExhausted, ErrorReason::Overloaded, "full");
        let status = read([Err(shed)]).await.1.expect("a status");
        assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "full"));
    }
}
