//! Process-wide runtime for the testkit's work, independent of the tests' runtimes.
//!
//! A connection is bound to the runtime that opened it, and a test's runtime ends with the test. So everything shared by
//! several tests runs here.

use std::future::Future;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("prism-testkit")
        .enable_all()
        .build()
        .expect("threads and epoll are available")
});

/// Runs `work` on the testkit runtime and awaits it from any runtime.
pub(crate) async fn on_testkit_runtime<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    match RUNTIME.spawn(work).await {
        Ok(value) => value,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

/// Blocking variant of [`on_testkit_runtime`] for `drop`. A panic in `work` is not propagated.
pub(crate) fn block_on_testkit_runtime(work: impl Future<Output = ()> + Send + 'static) {
    let (done, finished) = std::sync::mpsc::channel::<()>();
    RUNTIME.spawn(async move {
        work.await;
        drop(done);
    });
    // Nothing is ever sent: `recv` returns when the sender is dropped.
    let _ = finished.recv();
}

/// Spawns `work` on the testkit runtime, detached.
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    RUNTIME.spawn(work)
}

/// Enters the testkit runtime for the lifetime of the guard: sockets opened on this thread belong to it.
pub(crate) fn enter() -> tokio::runtime::EnterGuard<'static> {
    RUNTIME.enter()
}
