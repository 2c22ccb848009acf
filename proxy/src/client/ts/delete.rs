//! `prism ts delete`: removes events of a series.

use clap::Args;
use clap::builder::StyledStr;
use prism_cli::examples;
use prism_contract::timeseries::request::DeleteEventsRequest;
use serde_json::json;

use super::range::RangeArgs;
use crate::client::connect::ConnectArgs;
use crate::client::failure::Failure;
use crate::client::out::{Out, count};

/// The arguments of `prism ts delete`.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(super) struct DeleteArgs {
    /// The namespace
    namespace: String,

    /// The series
    series: String,

    #[command(flatten)]
    range: RangeArgs,

    /// Every event of the series
    #[arg(long, conflicts_with_all = ["since", "from", "to"])]
    all: bool,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

fn help() -> StyledStr {
    examples(&[
        ("The events before a time", "prism ts delete logs web-1 --to 2030-01-01T00:00:00Z"),
        ("Every event of a series", "prism ts delete logs web-1 --all"),
    ])
}

impl DeleteArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        if !self.all && !self.range.is_given() {
            return Err(Failure::usage(
                "no events are selected; give --since, --from or --to, or --all for every event of the series",
            ));
        }
        let (start, end) = self.range.bounds();
        let request = DeleteEventsRequest {
            namespace: self.namespace.clone(),
            series: self.series.clone(),
            start,
            end,
            all: self.all,
        };
        // The server's own deadline bounds it: a long range takes longer than other calls.
        let deleted = self.connect.timeseries_stream().await?.delete_events(request).await?.deleted_count;
        if self.connect.json {
            out.json(&json!({ "deleted_count": deleted }))
        } else {
            out.line(&format!("{} deleted", count(deleted, "event")))
        }
    }
}
