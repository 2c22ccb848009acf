//! `prism ts query`: reads the events of a series by time, as a stream that resumes where it broke.

use bytes::Bytes;
use clap::Args;
use clap::builder::StyledStr;
use futures::StreamExt;
use prism_cli::examples;
use prism_contract::timeseries::request::{QueryRequest, QueryResponse};

use super::line::EventLine;
use super::range::{RangeArgs, TagArgs};
use super::table::Table;
use crate::client::connect::ConnectArgs;
use crate::client::failure::Failure;
use crate::client::out::{Out, note};

/// The arguments of `prism ts query`.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(super) struct QueryArgs {
    /// The namespace
    namespace: String,

    /// The series
    series: String,

    #[command(flatten)]
    range: RangeArgs,

    #[command(flatten)]
    tags: TagArgs,

    /// The maximum number of events [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// From the last event to the first
    #[arg(long)]
    reverse: bool,

    /// Omit the payloads
    #[arg(long)]
    no_payload: bool,

    /// Print payloads whole on a terminal too, where long ones are shortened
    #[arg(long)]
    full: bool,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

const LAST: &str = "prism ts query logs web-1 --since 1h --tag level=error";
const FILE: &str = "prism ts query logs web-1 --json > events.jsonl";

fn help() -> StyledStr {
    examples(&[
        ("The errors of the last hour", LAST),
        ("All events as JSON lines, which 'prism ts append' reads", FILE),
        ("The last 10 events", "prism ts query logs web-1 --reverse --limit 10"),
    ])
}

impl QueryArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let (start, end) = self.range.bounds();
        let request = QueryRequest {
            namespace: self.namespace.clone(),
            series: self.series.clone(),
            start,
            end,
            tags: self.tags.tags(),
            reverse: self.reverse,
            limit: self.limit.unwrap_or(0),
            page_size_bytes: 0,
            without_payload: self.no_payload,
            resume_token: Bytes::new(),
        };
        let client = self.connect.timeseries_stream().await?;
        let mut messages = client.query(request, super::super::scan::RESUME);
        let mut table = Table::new(out, false, !self.no_payload, self.full);
        let mut found = false;
        while let Some(message) = messages.next().await {
            let QueryResponse { events, .. } = message?;
            found |= !events.is_empty();
            if self.connect.json {
                for event in &events {
                    out.json(&EventLine { series: None, event, without_payload: self.no_payload })?;
                }
            } else {
                table.print(events.iter().map(|event| (None, event)), out)?;
            }
            out.flush()?;
        }
        if !found && !self.connect.json {
            note("no events");
        }
        Ok(())
    }
}
