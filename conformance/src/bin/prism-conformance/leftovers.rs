//! The data that a run leaves in an external server: reported at the end, and deleted with `--clean`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use prism_conformance::wire::{Ledger, Options, Remote};
use tokio::time::Instant;

use crate::output::eprint;

/// Timeout of deleting after a run.
const CLEAN_TIMEOUT: Duration = Duration::from_mins(10);

/// Timeout of deleting after a signal.
const CLEAN_TIMEOUT_AFTER_SIGNAL: Duration = Duration::from_secs(30);

/// Set once the server is known. It outlives the command, which a signal may end at any point.
#[derive(Default)]
pub(crate) struct Leftovers(Mutex<Option<Tracked>>);

struct Tracked {
    ledger: Arc<Ledger>,
    options: Options,
    clean: bool,
    /// The capability without which nothing can be deleted, if the server lacks it.
    missing: Option<&'static str>,
    remains: &'static str,
    delete: Delete,
}

/// Deletes the records of a ledger until a deadline.
type Delete = for<'a> fn(&'a Arc<Ledger>, &'a Options, Instant) -> BoxFuture<'a, Result<(), String>>;

impl Leftovers {
    /// Sets the ledger to report and, with `clean`, to delete, using the credentials in `options`.
    pub(crate) fn track<A: Remote>(
        &self,
        ledger: Arc<Ledger>,
        description: &A::Description,
        options: Options,
        clean: bool,
    ) {
        let (missing, remains) = (A::cannot_delete(description), A::REMAINS);
        let delete: Delete = |ledger, options, deadline| Box::pin(ledger.clean::<A>(options, deadline));
        let tracked = Tracked { ledger, options, clean, missing, remains, delete };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(tracked);
    }

    /// At the end of a run: deletes the written data if requested, and returns a message about the remaining data. `None`:
    /// nothing was written to an external server.
    pub(crate) async fn finish(&self) -> Option<String> {
        self.finish_within(CLEAN_TIMEOUT).await
    }

    /// The same after a signal, with a shorter timeout.
    pub(crate) async fn finish_after_signal(&self) -> Option<String> {
        self.finish_within(CLEAN_TIMEOUT_AFTER_SIGNAL).await
    }

    async fn finish_within(&self, timeout: Duration) -> Option<String> {
        let tracked = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Tracked { ledger, options, clean, missing, remains, delete } = tracked?;
        let before = ledger.leftover();
        if before.records == 0 && before.beyond == 0 {
            return None;
        }
        if let Some(missing) = missing {
            return Some(format!(
                "left {before} in the server; it does not declare {missing}, so a run cannot delete them"
            ));
        }
        if !clean {
            return Some(format!("left {before} in the server; with --clean a run deletes what it wrote"));
        }
        let outcome = delete(&ledger, &options, Instant::now() + timeout).await;
        let after = ledger.leftover();
        if let Err(why) = &outcome {
            eprint(format_args!("--clean: not everything could be deleted: {why}"));
        }
        Some(match (outcome, after.beyond) {
            (Ok(()), 0) => format!("deleted {before} from the server; {remains}"),
            _ => format!("left {after} in the server, of {before}"),
        })
    }
}
