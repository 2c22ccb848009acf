//! Panics of a case: their messages and places.
//!
//! A panic's place is known to the panic hook alone. The hook that is installed here takes the panics of threads that are
//! polling a case, and leaves all others to the hook that was there before. A panic of a case is thereby not printed, but
//! shown with the failure.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;
use std::task::Poll;

use futures::future::BoxFuture;

thread_local! {
    /// Whether this thread is polling a case.
    static POLLS_A_CASE: Cell<bool> = const { Cell::new(false) };
    /// The panics of this thread during the current poll.
    static PANICS: RefCell<Vec<Panic>> = const { RefCell::new(Vec::new()) };
}

/// A panic of a case. Displayed as `a panic at src/store.rs:17:5: the message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Panic {
    message: String,
    /// `file:line:column`; `None`: another hook was installed later.
    place: Option<String>,
    /// The backtrace, if the environment asks for one.
    pub(super) backtrace: Option<String>,
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "a panic at {place}: {}", self.message),
            None => write!(f, "a panic: {}", self.message),
        }
    }
}

/// Polls `future` to its end, which may be a panic. `others` gets the panics that the code below it caught itself.
pub(super) async fn catch<T>(mut future: BoxFuture<'_, T>, others: &mut Vec<Panic>) -> Result<T, Panic> {
    static HOOK: Once = Once::new();
    HOOK.call_once(install);
    poll_fn(|cx| {
        let outer = POLLS_A_CASE.replace(true);
        let polled = panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        POLLS_A_CASE.set(outer);
        others.extend(PANICS.take());
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(payload) => {
                let without_hook =
                    || Panic { message: message(&*payload).to_owned(), place: None, backtrace: None };
                Poll::Ready(Err(others.pop().unwrap_or_else(without_hook)))
            }
        }
    })
    .await
}

/// Installs the hook around the current one.
fn install() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if POLLS_A_CASE.get() {
            PANICS.with_borrow_mut(|panics| panics.push(Panic::of(info)));
        } else {
            previous(info);
        }
    }));
}

impl Panic {
    fn of(info: &PanicHookInfo<'_>) -> Self {
        let backtrace = Backtrace::capture();
        let is_captured = backtrace.status() == BacktraceStatus::Captured;
        Self {
            message: message(info.payload()).to_owned(),
            place: info.location().map(ToString::to_string),
            backtrace: is_captured.then(|| backtrace.to_string()),
        }
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt;

    use super::*;

    /// The hook belongs to the process: these tests run one after the other.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    /// The number of panics that reached the hook below.
    static BELOW: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn a_panic_has_its_message_and_place_and_goes_no_further() {
        let _guard = ONE_AT_A_TIME.lock();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (line, future) = (line!(), async { panic!("row {} is torn", 7) }.boxed());
        let mut others = Vec::new();
        let caught: Result<(), Panic> = runtime.block_on(catch(future, &mut others));
        let panic = caught.expect_err("a panic");
        let text = panic.to_string();
        let place = format!("a panic at {}:{line}:", file!());
        assert!(text.starts_with(&place) && text.ends_with(": row 7 is torn"), "{text}");
        assert!(others.is_empty());
    }

    #[test]
    fn a_panic_that_the_store_caught_is_kept_and_the_output_too() {
        let _guard = ONE_AT_A_TIME.lock();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let future = async { panic::catch_unwind(|| panic!("inside")).is_err() }.boxed();
        let mut others = Vec::new();
        assert_eq!(runtime.block_on(catch(future, &mut others)), Ok(true));
        let texts: Vec<_> = others.iter().map(ToString::to_string).collect();
        assert!(texts.len() == 1 && texts[0].ends_with(": inside"), "{texts:?}");
    }

    #[test]
    fn other_panics_reach_the_hook_that_was_there_before() {
        let _guard = ONE_AT_A_TIME.lock();
        let original = panic::take_hook();
        panic::set_hook(Box::new(|_| {
            BELOW.fetch_add(1, Ordering::Relaxed);
        }));
        install();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut others = Vec::new();
        let of_a_case: Result<(), Panic> =
            runtime.block_on(catch(async { panic!("of a case") }.boxed(), &mut others));
        let before = BELOW.load(Ordering::Relaxed);
        let other = std::thread::spawn(|| panic!("of a task")).join();
        let after = BELOW.load(Ordering::Relaxed);
        panic::set_hook(original);
        let of_a_case = of_a_case.expect_err("the case panics").to_string();
        assert!(of_a_case.ends_with(": of a case"), "{of_a_case}");
        let other = other.expect_err("the task panics");
        assert_eq!(other.downcast_ref::<&str>(), Some(&"of a task"));
        assert_eq!((before, after), (0, 1));
    }
}
