//! A body that observes, changes or rejects the frames of another body.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A filter on the frames of a body and its end. It is dropped with the body.
pub trait FrameFilter<E>: Unpin {
    /// The error of the filtered body: `E`, or what the filter maps it to.
    type Error;

    /// Whether the filter has to see the end of the body (`None`). The body then never reports its end in advance.
    const SEES_END: bool = false;

    /// Maps a frame of the body. `is_end` asks the body whether this frame was its last.
    fn frame(
        &mut self,
        frame: Option<Result<Frame<Bytes>, E>>,
        is_end: impl FnOnce() -> bool,
    ) -> Option<Result<Frame<Bytes>, Self::Error>>;
}

/// A body behind a filter.
#[derive(Debug)]
pub struct Filtered<B, F> {
    body: B,
    filter: F,
}

impl<B, F> Filtered<B, F> {
    /// Puts `body` behind `filter`.
    pub const fn new(body: B, filter: F) -> Self {
        Self { body, filter }
    }
}

impl<B, F> Body for Filtered<B, F>
where
    B: Body<Data = Bytes> + Unpin,
    F: FrameFilter<B::Error>,
{
    type Data = Bytes;
    type Error = F::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, F::Error>>> {
        let Self { body, filter } = &mut *self;
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        Poll::Ready(filter.frame(frame, || body.is_end_stream()))
    }

    fn is_end_stream(&self) -> bool {
        !F::SEES_END && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
