//! `prism ts`: the commands of TimeSeries.

mod append;
mod delete;
mod describe;
mod histogram;
mod input;
mod line;
mod query;
mod range;
mod series;
mod table;
mod tail;

use clap::Subcommand;

use super::failure::Failure;
use super::out::Out;

/// A command about the events of a TimeSeries namespace.
#[derive(Debug, Subcommand)]
#[expect(
    private_interfaces,
    reason = "only clap and this module use the arguments; main just passes them on"
)]
pub enum TsCommand {
    /// Write events from JSON lines, or one event
    Append(append::AppendArgs),
    /// Read the events of a series by time
    Query(query::QueryArgs),
    /// Print the last events of a series, and new ones as they are appended
    Tail(tail::TailArgs),
    /// List the series of a namespace
    Series(series::SeriesArgs),
    /// Count the events of a series by time
    Histogram(histogram::HistogramArgs),
    /// Delete events of a series
    Delete(delete::DeleteArgs),
    /// Print the server's version, capabilities and limits, and the policy of a namespace
    Describe(describe::DescribeArgs),
}

impl TsCommand {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        match self {
            Self::Append(args) => args.run(out).await,
            Self::Query(args) => args.run(out).await,
            Self::Tail(args) => args.run(out).await,
            Self::Series(args) => args.run(out).await,
            Self::Histogram(args) => args.run(out).await,
            Self::Delete(args) => args.run(out).await,
            Self::Describe(args) => args.run(out).await,
        }
    }

    pub(super) fn json(&self) -> bool {
        match self {
            Self::Append(args) => args.connect.json,
            Self::Query(args) => args.connect.json,
            Self::Tail(args) => args.connect.json,
            Self::Series(args) => args.connect.json,
            Self::Histogram(args) => args.connect.json,
            Self::Delete(args) => args.connect.json,
            Self::Describe(args) => args.connect.json,
        }
    }
}
