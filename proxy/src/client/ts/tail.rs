//! `prism ts tail`: prints the last events of a series, and follows new ones; a broken connection resumes by the last token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use clap::builder::StyledStr;
use futures::StreamExt;
use prism_cli::{after_help, examples};
use prism_contract::timeseries::request::{QueryRequest, TailFrom, TailRequest, TailResponse};
use prism_contract::timeseries::{Series, SeriesEvent};

use super::line::EventLine;
use super::range::TagArgs;
use super::table::Table;
use crate::client::connect::ConnectArgs;
use crate::client::failure::Failure;
use crate::client::interrupted;
use crate::client::out::{Out, note};

/// The arguments of `prism ts tail`.
#[derive(Debug, Args)]
#[command(after_help = help())]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(super) struct TailArgs {
    /// The namespace
    namespace: String,

    /// The series; without it, new events of the whole namespace
    series: Option<String>,

    /// Go on with new events, until Ctrl-C
    #[arg(long, short)]
    follow: bool,

    /// Print this many of the last events first
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    last: u64,

    /// Print all events first, in the order in which they were appended
    #[arg(long, conflicts_with_all = ["last", "token"])]
    beginning: bool,

    /// Continue after the message with this token, in base64
    #[arg(long, value_name = "TOKEN", value_parser = token, conflicts_with = "last")]
    token: Option<Bytes>,

    #[command(flatten)]
    tags: TagArgs,

    /// Omit the payloads
    #[arg(long)]
    no_payload: bool,

    /// Print payloads whole on a terminal too, where long ones are shortened
    #[arg(long)]
    full: bool,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

const TOKENS: &str = "\
When it ends, it prints the token from which --token continues without a gap, on standard error.";

fn help() -> StyledStr {
    let examples = examples(&[
        ("The last 10 events of a series, then new ones", "prism ts tail logs web-1 -f"),
        ("New events of all series", "prism ts tail logs -f --tag level=error"),
    ]);
    after_help(&format!("{TOKENS}\n\n{examples}"))
}

fn token(text: &str) -> Result<Bytes, &'static str> {
    STANDARD.decode(text).map(Bytes::from).map_err(|_| "it is not a token in base64")
}

impl TailArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        if self.series.is_none() && !self.follow && !self.beginning && self.token.is_none() {
            return Err(Failure::usage(
                "the last events are those of a series; name one, or give --follow or --beginning for the whole namespace",
            ));
        }
        let mut table = Table::new(out, self.series.is_none(), !self.no_payload, self.full);
        let from = self.begin(&mut table, out).await?;
        // Without --follow, the events up to here were all.
        let Some(from) = from else { return Ok(()) };
        let mut last = Bytes::new();
        let ended = self.read(from, &mut table, &mut last, out).await;
        if !last.is_empty() {
            note(&format!("continue with --token {}", STANDARD.encode(&last)));
        }
        ended
    }

    /// Prints the last events of the series. Returns where to continue; `None`: nowhere.
    async fn begin(&self, table: &mut Table, out: &mut Out) -> Result<Option<TailFrom>, Failure> {
        if let Some(token) = &self.token {
            return Ok(Some(TailFrom::Token(token.clone())));
        }
        if self.beginning {
            return Ok(Some(TailFrom::Beginning));
        }
        let Some(series) = self.series.clone().filter(|_| self.last > 0) else {
            return Ok(self.follow.then_some(TailFrom::Now));
        };
        let request = QueryRequest {
            namespace: self.namespace.clone(),
            series,
            tags: self.tags.tags(),
            reverse: true,
            limit: self.last,
            without_payload: self.no_payload,
            ..QueryRequest::default()
        };
        let mut messages = self.connect.timeseries_stream().await?.query(request, super::super::scan::RESUME);
        let (mut events, mut tail_token) = (Vec::new(), Bytes::new());
        while let Some(message) = messages.next().await {
            let message = message?;
            events.extend(message.events);
            tail_token = message.tail_token;
        }
        let name = Series::new(self.series.as_deref().unwrap_or_default());
        let name = name.map_err(|why| Failure::usage(format!("the series {why}")))?;
        events.reverse();
        let events: Vec<_> =
            events.into_iter().map(|event| SeriesEvent { series: name.clone(), event }).collect();
        self.print(&events, table, out)?;
        Ok(self.follow.then_some(TailFrom::Token(tail_token)))
    }

    /// Reads until the end of what is there, or with `--follow` until Ctrl-C. `last` is the token of the last message.
    async fn read(
        &self,
        from: TailFrom,
        table: &mut Table,
        last: &mut Bytes,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let request = TailRequest {
            namespace: self.namespace.clone(),
            series: self.series.clone().unwrap_or_default(),
            tags: self.tags.tags(),
            from,
            without_payload: self.no_payload,
        };
        let client = self.connect.timeseries_stream().await?;
        let mut messages = client.tail(request, super::super::scan::RESUME);
        let mut interrupted = std::pin::pin!(interrupted());
        let mut is_first = true;
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = &mut interrupted => return Ok(()),
            };
            let Some(message) = message else { return Ok(()) };
            let TailResponse { events, token } = message?;
            self.print(&events, table, out)?;
            *last = token;
            // A message without events comes once all events are read.
            if events.is_empty() && !is_first && !self.follow {
                return Ok(());
            }
            is_first = false;
        }
    }

    fn print(&self, events: &[SeriesEvent], table: &mut Table, out: &mut Out) -> Result<(), Failure> {
        if self.connect.json {
            events.iter().try_for_each(|event| out.json(&EventLine::of(event, self.no_payload)))?;
        } else {
            table.print(events.iter().map(|event| (Some(&event.series), &event.event)), out)?;
        }
        out.flush()
    }
}
