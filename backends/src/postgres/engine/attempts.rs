//! Retries of a transaction that conflicts with others.

use super::error::{TxFailure, tx_failure};

/// Counts the attempts of a transaction that conflicts with others; retries are immediate.
#[derive(Default)]
pub(in crate::postgres) struct Attempts(usize);

impl Attempts {
    const MAX: usize = 10;

    /// Whether to retry a transaction that ended with `error`.
    pub(in crate::postgres) fn should_retry(&mut self, error: &sqlx::Error) -> bool {
        self.0 += 1;
        tx_failure(error) == TxFailure::Conflict && self.0 < Self::MAX
    }
}
