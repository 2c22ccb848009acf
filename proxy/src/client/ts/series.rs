//! `prism ts series`: lists the series of a namespace.

use bytes::Bytes;
use clap::Args;
use clap::builder::StyledStr;
use futures::StreamExt;
use prism_cli::examples;
use prism_contract::timeseries::request::ListSeriesRequest;
use serde_json::json;

use crate::client::bytes::escape;
use crate::client::connect::ConnectArgs;
use crate::client::failure::Failure;
use crate::client::out::{Out, note};

/// The arguments of `prism ts series`.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(super) struct SeriesArgs {
    /// The namespace
    namespace: String,

    /// Only series whose names start with this
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: String,

    /// The maximum number of series [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

fn help() -> StyledStr {
    examples(&[(
        "All series, and those of a group",
        "prism ts series logs\nprism ts series logs --prefix web-",
    )])
}

impl SeriesArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let request = ListSeriesRequest {
            namespace: self.namespace.clone(),
            prefix: self.prefix.clone(),
            limit: self.limit.unwrap_or(0),
            resume_token: Bytes::new(),
        };
        let client = self.connect.timeseries_stream().await?;
        let mut messages = client.list_series(request, super::super::scan::RESUME);
        let mut found = false;
        while let Some(message) = messages.next().await {
            for name in message?.series {
                found = true;
                if self.connect.json {
                    out.json(&json!({ "series": name }))?;
                } else {
                    out.line(&escape(name.as_bytes()))?;
                }
            }
            out.flush()?;
        }
        if !found && !self.connect.json {
            note("no series");
        }
        Ok(())
    }
}
