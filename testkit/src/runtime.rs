//! The runtime that the provider's own work runs on, whatever runtime a test has.
//!
//! A connection belongs to the runtime that it was opened on, and tests have runtimes that come and go. So all that the
//! provider does for more than one test is done here, on one thread of a kind that no test ends.

use std::future::Future;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("prism-testkit")
        .enable_all()
        .build()
        .expect("the system gives a thread and an epoll")
});

/// Does the work there and waits for it here, on any runtime.
pub(crate) async fn on_own_runtime<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match RUNTIME.spawn(work).await {
        Ok(value) => value,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

/// The same for a `drop`, which cannot wait asynchronously. What panicked there is over, and no reason to panic here.
pub(crate) fn wait_on_own_runtime(work: impl Future<Output = ()> + Send + 'static) {
    let (done, over) = std::sync::mpsc::channel::<()>();
    RUNTIME.spawn(async move {
        work.await;
        drop(done);
    });
    // Nothing is ever sent: this returns when the other end is gone.
    let _ = over.recv();
}

/// Starts work there that nobody waits for.
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    RUNTIME.spawn(work)
}

/// Makes this thread one of the runtime's for as long as the guard lives: what is opened belongs to it.
pub(crate) fn enter() -> tokio::runtime::EnterGuard<'static> {
    RUNTIME.enter()
}
