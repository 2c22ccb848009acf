//! A wrapper for services with unary requests: the whole request is checked before its handler runs (ERR-3).
//!
//! The framework reads a request to its end, but ignores a second message, and mistakes a reset stream for one that ended.
//! Here the body is counted as it passes: a request that is not exactly one message, ended by its client, reaches no
//! handler. Counting inspects the five-byte prefix and allocates nothing.

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

/// The length of gRPC's message prefix: a flag, and the message's length in four bytes.
const PREFIX: usize = 5;

/// The status of a truncated request. The framework treats CANCELLED from a request's body as its end, so this one has
/// another code until [`Statuses`](crate::layer::Statuses) maps it to CANCELLED.
pub(crate) const TRUNCATED: (Code, &str) = (Code::Aborted, "the request was truncated");

/// A service that is only called with requests of one message.
#[derive(Debug, Clone)]
pub struct OneMessage<S>(S);

impl<S> OneMessage<S> {
    /// Wraps `service`, all of whose methods must take one message. [`StatusesLayer`](crate::layer) has to be around it, and
    /// request bodies have to report their end by `is_end_stream`, as those of the framework do.
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

/// The progress of a request within its message.
#[derive(Debug, Default)]
pub struct Count {
    prefix: [u8; PREFIX],
    /// Bytes of the prefix received.
    prefixed: usize,
    /// Bytes of the message still missing, once the prefix was received.
    missing: usize,
}

impl Count {
    /// Counts `data`; fails if a byte follows the message.
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
                "the request continues after its first message; this method takes one message",
            ));
        }
        self.missing -= data.len();
        Ok(())
    }

    /// Called at the end of the request.
    fn end(&self) -> Result<(), Status> {
        match (self.prefixed, self.missing) {
            (0, _) => Err(malformed("the request contains no message; this method takes one message")),
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
            Some(Err(error)) => Some(Err(request_error(error.into()))),
            // A stream reset by its client without an error also reads to its end: only END_STREAM ends a request.
            None if !is_end() => Some(Err(truncation())),
            None => self.end().err().map(Err),
        }
    }
}

/// A status with details is a refusal by a layer while the request was read, and is kept. Anything else is from the
/// transport: the client reset the stream or disconnected, which no handler may mistake for the end of the request.
fn request_error(error: Box<dyn std::error::Error + Send + Sync>) -> Status {
    match error.downcast::<Status>() {
        Ok(status) if !status.details().is_empty() => *status,
        Ok(_) | Err(_) => truncation(),
    }
}

fn truncation() -> Status {
    Status::new(TRUNCATED.0, TRUNCATED.1)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::pin::Pin;

    use http_body::Body;
    use rstest::rstest;

    use super::*;

    /// A body of these chunks that ends, or fails with an error, or just stops.
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

    /// The number of bytes passed through, and the final status.
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
    #[case::a_split_prefix(&["\0\0", "", "\0\0\x03a", "bc"])]
    #[case::a_prefix_alone(&["\0\0\0\0\x03", "abc", ""])]
    #[tokio::test]
    async fn one_message_passes_however_it_is_split(#[case] chunks: &[&'static str]) {
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
    async fn a_truncated_body_is_an_error_and_a_layers_refusal_is_kept() {
        for code in [Code::Cancelled, Code::Unknown, Code::Internal] {
            let status = read([Ok(&b"\0\0\0\0\x01a"[..]), Err(Status::new(code, "reset"))]).await.1;
            assert_eq!(status.expect("a status").code(), TRUNCATED.0);
        }
        let stops = Chunks { left: [Ok(&b"\0\0\0\0\x01a"[..])].into(), ends: false };
        assert_eq!(read_of(stops).await.1.expect("a status").code(), TRUNCATED.0);
        let shed = framework(Code::ResourceExhausted, ErrorReason::Overloaded, "full");
        let status = read([Err(shed)]).await.1.expect("a status");
        assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "full"));
    }
}
