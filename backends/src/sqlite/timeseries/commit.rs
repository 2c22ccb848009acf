//! The writes of TimeSeries in the writer's transactions.

use std::sync::Arc;

use sqlx::SqliteConnection;

use super::append::{self, SeriesIds};
use super::remove;
use super::swept::SweptRows;
use super::tails::Tails;
use super::writes::{Answers, Requests};

/// The writes of a TimeSeries store, and their state between transactions.
pub(in crate::sqlite) struct TimeSeriesCommit {
    tails: Arc<Tails>,
    series: SeriesIds,
    /// The last transaction wrote, and is not known to be committed.
    is_pending: bool,
}

impl TimeSeriesCommit {
    pub(super) fn new(tails: Arc<Tails>) -> Self {
        Self { tails, series: SeriesIds::default(), is_pending: false }
    }

    /// Executes requests in a transaction; an error is for all of them.
    pub(in crate::sqlite) async fn apply(
        &mut self,
        requests: &Requests<'_>,
        connection: &mut SqliteConnection,
    ) -> Result<Answers, sqlx::Error> {
        if std::mem::replace(&mut self.is_pending, !requests.is_empty()) {
            // The last transaction was rolled back: the ids that it made are not in the file.
            self.series.clear();
        }
        let mut answers = Answers::default();
        if requests.is_empty() {
            return Ok(answers);
        }
        let mut swept = SweptRows::default();
        if !requests.appends.is_empty() {
            let (appends, drawn) =
                append::append(connection, &mut self.series, &requests.appends, &mut swept).await?;
            answers.appends = appends;
            answers.drawn = Some((Arc::clone(&self.tails), drawn));
        }
        for step in &requests.deletes {
            answers.deletes.push(remove::delete(connection, step).await?);
        }
        for step in &requests.expires {
            answers.expires.push(remove::expire(connection, step, &mut swept).await?);
        }
        swept.write(connection).await?;
        Ok(answers)
    }

    /// The transaction of the last [`TimeSeriesCommit::apply`] was committed.
    pub(in crate::sqlite) fn committed(&mut self) {
        self.is_pending = false;
    }
}
