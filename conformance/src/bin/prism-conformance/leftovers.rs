//! What a run leaves in a server that somebody else runs: told at the end, and deleted with `--clean`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prism_conformance::keyvalue::KeyValue;
use prism_conformance::wire::{Ledger, Options};
use tokio::time::Instant;

use crate::output::eprint;

/// How long deleting may take after a run.
const PATIENCE: Duration = Duration::from_mins(10);

/// How long it may take after a signal.
const PATIENCE_AFTER_A_SIGNAL: Duration = Duration::from_secs(30);

/// Set once the server is known. It outlives the work, which a signal ends anywhere.
#[derive(Default)]
pub(crate) struct Leftovers(Mutex<Option<Left>>);

struct Left {
    ledger: Arc<Ledger>,
    options: Options,
    clean: bool,
}

impl Leftovers {
    /// From now on what is in `ledger` is told and, if `clean` says so, deleted by the credentials in `options`.
    pub(crate) fn are_in(&self, ledger: Arc<Ledger>, options: Options, clean: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Left { ledger, options, clean });
    }

    /// After the work: deletes what was left if that was asked for, and answers a sentence about what is left now. `None`:
    /// no server that outlives the run was written to.
    pub(crate) async fn settle(&self) -> Option<String> {
        self.within(PATIENCE).await
    }

    /// The same after a signal, in less time.
    pub(crate) async fn settle_after_a_signal(&self) -> Option<String> {
        self.within(PATIENCE_AFTER_A_SIGNAL).await
    }

    async fn within(&self, patience: Duration) -> Option<String> {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Left { ledger, options, clean } = left?;
        let before = ledger.leftover();
        if before.records == 0 && before.beyond == 0 {
            return None;
        }
        if !clean {
            return Some(format!("left {before} in the server; with --clean a run deletes what it wrote"));
        }
        let outcome = ledger.clean::<KeyValue>(&options, Instant::now() + patience).await;
        let after = ledger.leftover();
        if let Err(why) = &outcome {
            eprint(format_args!("--clean: not everything could be deleted: {why}"));
        }
        Some(match (outcome, after.beyond) {
            (Ok(()), 0) => format!(
                "deleted {before} from the server; expired items and tombstones are out of a client's reach, the server \
                 sweeps them"
            ),
            _ => format!("left {after} in the server, of {before}"),
        })
    }
}
