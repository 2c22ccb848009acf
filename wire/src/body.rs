//! A body that sees, changes or refuses what another body yields.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// What is done with each frame of a body, and with its end. A filter that is dropped sees that the body is.
pub trait FrameFilter<E>: Unpin {
    /// What the body fails with: `E`, or what a filter makes of it.
    type Error;

    /// Whether the filter has to see the end of the body (`None`). The body then never reports its end ahead.
    const SEES_END: bool = false;

    /// Takes what the body yielded, and returns what is yielded in its place. `is_end` asks the body whether this was
    /// its last.
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
