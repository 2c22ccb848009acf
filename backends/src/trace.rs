//! Traces of calls within a store: where the time of a call went, and its spans, which are those of the crate `tracing` with
//! the target [`TARGET`].
//!
//! A gateway executes a call within the scope of a [`CallTrace`]. The store measures how long the call's requests waited and
//! how long their batches took; and if the span of the call is enabled, it makes spans: `wait` for the time in a queue,
//! `batch` for a group of requests, which is a trace apart and is linked from each call in it, and `statement` for what the
//! database executes. No attribute has an id, a key or a value.

use std::sync::Arc;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use std::sync::atomic::AtomicU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::Span;
use tracing::instrument::{Instrument, Instrumented};

/// The target of all spans.
pub const TARGET: &str = "prism::trace";

/// Maximum spans below that of a call: a stream may read for hours.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
const MAX_SPANS: u32 = 128;

tokio::task_local! {
    static CURRENT: CallTrace;
}

/// What a store did for a call. Clones share it.
#[derive(Debug, Clone)]
pub struct CallTrace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    span: Span,
    waited_micros: AtomicU64,
    batch_micros: AtomicU64,
    /// Spans below it so far.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    spans: AtomicU32,
}

impl CallTrace {
    /// A call with this span, which is disabled unless the call is traced.
    pub fn new(span: Span) -> Self {
        Self(Arc::new(Inner {
            span,
            waited_micros: AtomicU64::default(),
            batch_micros: AtomicU64::default(),
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            spans: AtomicU32::default(),
        }))
    }

    /// The span of the call.
    pub fn span(&self) -> &Span {
        &self.0.span
    }

    /// How long its requests waited in queues of the store, in total.
    pub fn waited(&self) -> Duration {
        Duration::from_micros(self.0.waited_micros.load(Ordering::Relaxed))
    }

    /// How long the batches took that executed its requests, in total. Requests that were executed alone do not count.
    pub fn in_batches(&self) -> Duration {
        Duration::from_micros(self.0.batch_micros.load(Ordering::Relaxed))
    }

    /// Whether another span may be made below that of the call.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    fn has_room(&self) -> bool {
        !self.0.span.is_disabled() && self.0.spans.fetch_add(1, Ordering::Relaxed) < MAX_SPANS
    }

    /// Executes a part of the call.
    pub fn scope<F: Future>(&self, part: F) -> Instrumented<impl Future<Output = F::Output> + use<F>> {
        CURRENT.scope(self.clone(), part).instrument(self.0.span.clone())
    }

    /// Executes a part of the call that does not wait, such as one poll of a stream.
    pub fn sync_scope<T>(&self, part: impl FnOnce() -> T) -> T {
        let _entered = self.0.span.enter();
        CURRENT.sync_scope(self.clone(), part)
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use self::store::{Wait, begin_batch, statement_span};

/// The part of the engines.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod store {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use tokio::time::Instant;
    use tracing::{Span, info_span};

    use super::{CURRENT, CallTrace, TARGET};

    /// The wait of a request in a queue, from when it is made until it is taken or answered.
    pub(crate) struct Wait {
        since: Instant,
        /// `None`: it is not part of a call.
        call: Option<Waiting>,
    }

    struct Waiting {
        trace: CallTrace,
        /// Open until the wait has ended; disabled unless the call is traced.
        span: Span,
        /// When the wait ended, and a batch began.
        taken: Option<Instant>,
    }

    impl Wait {
        /// A wait that begins now.
        pub(crate) fn begin() -> Self {
            let call = CURRENT.try_with(|trace| {
                let span = if trace.has_room() {
                    info_span!(target: TARGET, parent: trace.span(), "wait")
                } else {
                    Span::none()
                };
                Waiting { trace: trace.clone(), span, taken: None }
            });
            Self { since: Instant::now(), call: call.ok() }
        }

        /// Whether the call is traced.
        fn is_traced(&self) -> bool {
            self.call.as_ref().is_some_and(|waiting| !waiting.trace.span().is_disabled())
        }

        /// The request was taken, as part of a batch.
        fn taken(&mut self, batch: &Span, now: Instant) {
            if let Some(waiting) = &mut self.call {
                if waiting.taken.replace(now).is_none() {
                    waiting.end(now - self.since);
                }
                let call = waiting.trace.span();
                call.follows_from(batch);
                batch.follows_from(call);
            }
        }

        /// The request is about to be answered.
        pub(crate) fn answered(&mut self) {
            if let Some(waiting) = &mut self.call {
                match waiting.taken {
                    Some(taken) => add(&waiting.trace.0.batch_micros, taken.elapsed()),
                    None => waiting.end(self.since.elapsed()),
                }
            }
        }
    }

    impl Waiting {
        fn end(&mut self, time: Duration) {
            add(&self.trace.0.waited_micros, time);
            self.span = Span::none();
        }
    }

    fn add(micros: &AtomicU64, time: Duration) {
        micros.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Begins a batch: ends the waits of its requests. Returns its span, which is disabled if no call of it is traced; it is
    /// linked from each call that is, and with each.
    pub(crate) fn begin_batch<'w>(waits: impl Iterator<Item = &'w mut Wait>) -> Span {
        let mut waits: Vec<_> = waits.collect();
        let span = if waits.iter().any(|wait| wait.is_traced()) {
            // Of the integers, only a signed one is exported as a number.
            let size = i64::try_from(waits.len()).unwrap_or(i64::MAX);
            info_span!(target: TARGET, parent: None, "batch", db.operation.batch.size = size)
        } else {
            Span::none()
        };
        let now = Instant::now();
        for wait in &mut waits {
            wait.taken(&span, now);
        }
        span
    }

    /// The span of a statement that is executed for the current call or batch; disabled if that is not traced. `operation`
    /// is its name, such as a keyword, and has nothing of its parameters.
    pub(crate) fn statement_span(system: &'static str, operation: &str) -> Span {
        if !tracing::enabled!(target: TARGET, tracing::Level::INFO) {
            return Span::none();
        }
        let parent = Span::current();
        // A span of another target may be current in a program that has the store embedded.
        if parent.metadata().is_none_or(|metadata| metadata.target() != TARGET) {
            return Span::none();
        }
        // A batch is not executed within the scope of a call, and has a bounded number of statements.
        if CURRENT.try_with(|trace| !trace.has_room()).unwrap_or(false) {
            return Span::none();
        }
        info_span!(
            target: TARGET,
            parent: &parent,
            "statement",
            otel.kind = "client",
            db.system.name = system,
            db.operation.name = operation,
        )
    }
}

#[cfg(all(test, any(feature = "sqlite", feature = "postgres")))]
mod tests {
    use tokio::time::advance;
    use tracing::info_span;
    use tracing::subscriber::with_default;
    use tracing_subscriber::registry;

    use super::*;

    fn call() -> CallTrace {
        CallTrace::new(info_span!(target: TARGET, "call"))
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_request_is_its_wait_and_that_of_its_batch() {
        let call = CallTrace::new(Span::none());
        let (mut batched, mut alone) = call.sync_scope(|| (Wait::begin(), Wait::begin()));
        advance(Duration::from_millis(5)).await;
        let span = begin_batch(std::iter::once(&mut batched));
        advance(Duration::from_millis(7)).await;
        batched.answered();
        alone.answered();
        assert_eq!(call.waited(), Duration::from_millis(5 + 12));
        assert_eq!(call.in_batches(), Duration::from_millis(7));
        assert!(span.is_disabled());
    }

    #[test]
    fn a_stream_has_a_bounded_number_of_spans() {
        with_default(registry(), || {
            let is_made = |_: &u32| !statement_span("sqlite", "read").is_disabled();
            let made = call().sync_scope(|| (0..1_000).filter(is_made).count());
            assert_eq!(made, MAX_SPANS as usize);
        });
    }

    #[test]
    fn only_what_is_traced_has_spans() {
        let statement = || statement_span("sqlite", "read");
        // Without a subscriber.
        assert!(call().sync_scope(statement).is_disabled());
        with_default(registry(), || {
            assert!(!call().sync_scope(statement).is_disabled());
            assert!(statement().is_disabled());
            assert!(CallTrace::new(Span::none()).sync_scope(statement).is_disabled());
            // A program that has the store embedded may have spans.
            assert!(info_span!("embedding").in_scope(statement).is_disabled());
            let mut waits = [&call(), &CallTrace::new(Span::none())].map(|call| call.sync_scope(Wait::begin));
            assert!(begin_batch(waits[1..].iter_mut()).is_disabled());
            let batch = begin_batch(waits.iter_mut());
            assert!(!batch.in_scope(statement).is_disabled());
        });
    }
}
