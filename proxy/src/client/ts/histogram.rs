//! `prism ts histogram`: counts the events of a series by time.

use std::time::Duration;

use anstyle::Style;
use clap::Args;
use clap::builder::StyledStr;
use prism_cli::examples;
use prism_contract::timeseries::Bucket;
use prism_contract::timeseries::request::HistogramRequest;
use prism_wire::clock::{Clock, SystemClock};
use serde_json::json;

use super::line::time_input;
use super::range::{RangeArgs, TagArgs};
use crate::client::columns::Columns;
use crate::client::connect::ConnectArgs;
use crate::client::failure::Failure;
use crate::client::out::{Out, grouped, note};
use crate::client::time::{self, parse_duration};

/// The length of the longest bar, in columns.
const BAR: u64 = 40;

/// The arguments of `prism ts histogram`.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(super) struct HistogramArgs {
    /// The namespace
    namespace: String,

    /// The series
    series: String,

    /// The width of a bucket, such as 1m or 1h; at most 10,000 buckets
    #[arg(long, value_name = "SPAN", value_parser = parse_duration)]
    bucket: Duration,

    #[command(flatten)]
    range: RangeArgs,

    #[command(flatten)]
    tags: TagArgs,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

fn help() -> StyledStr {
    examples(&[(
        "Events per minute of the last hour",
        "prism ts histogram logs web-1 --since 1h --bucket 1m",
    )])
}

impl HistogramArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let (start, end) = self.range.bounds();
        let start =
            start.ok_or_else(|| Failure::usage("a histogram needs a start; give --since or --from"))?;
        let request = HistogramRequest {
            namespace: self.namespace.clone(),
            series: self.series.clone(),
            start: Some(start),
            end: end.or_else(|| Some(time_input(SystemClock.now()))),
            bucket: Some(self.bucket.into()),
            tags: self.tags.tags(),
        };
        // The server's own deadline bounds it: many events take longer than other calls.
        let messages = self.connect.timeseries_stream().await?.histogram(request).await?;
        let buckets: Vec<_> = messages.into_iter().flat_map(|message| message.buckets).collect();
        if self.connect.json {
            return buckets.iter().try_for_each(|bucket| out.json(&to_json(bucket)));
        }
        if buckets.is_empty() {
            note("no events");
        }
        print(&buckets, out)
    }
}

fn print(buckets: &[Bucket], out: &mut Out) -> Result<(), Failure> {
    let most = buckets.iter().map(|bucket| bucket.count).max().unwrap_or(1);
    let mut columns = Columns::new(["START", "EVENTS", "BYTES", ""]);
    let cells = |bucket: &Bucket| {
        let bar = usize::try_from(bucket.count.saturating_mul(BAR).div_ceil(most)).unwrap_or(0);
        let (count, bytes) = (grouped(bucket.count), grouped(bucket.payload_bytes));
        [time::format(bucket.start), count, bytes, "▇".repeat(bar)]
    };
    let rows: Vec<_> = buckets.iter().map(cells).collect();
    for row in &rows {
        columns.widen(row);
    }
    let palette = out.screen.palette;
    if !rows.is_empty() {
        out.line(&columns.line(&columns.headings(), [palette.heading; 4], &[0, 1, 2]))?;
    }
    let styles = [palette.key, Style::new(), palette.dim, Style::new()];
    rows.iter().try_for_each(|row| out.line(&columns.line(row, styles, &[0, 1, 2, 3])))
}

fn to_json(bucket: &Bucket) -> serde_json::Value {
    json!({
        "start": time::format(bucket.start),
        "count": bucket.count,
        "payload_bytes": bucket.payload_bytes,
    })
}
