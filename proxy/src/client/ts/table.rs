//! Events as a table for people: aligned columns, a line for each event.

use anstyle::Style;
use prism_contract::timeseries::{Event, Series, Tags};

use crate::client::bytes::{escape, escape_within};
use crate::client::columns::Columns;
use crate::client::failure::Failure;
use crate::client::out::{Out, count};
use crate::client::time;

const COLUMNS: usize = 4;
const HEADINGS: [&str; COLUMNS] = ["TIME", "SERIES", "ID", "TAGS"];
/// Room for a payload on a terminal, in columns, however little is left beside the other columns.
const MIN_PAYLOAD: usize = 24;

/// Lays out events, message by message.
pub(super) struct Table {
    /// The columns that are shown.
    shown: Vec<usize>,
    with_payload: bool,
    /// The width to fit payloads into; `None`: each is whole.
    width: Option<usize>,
    columns: Columns<COLUMNS>,
    has_header: bool,
}

impl Table {
    /// An empty table. `full`: payloads are whole on a terminal too.
    pub(super) fn new(out: &Out, with_series: bool, with_payload: bool, full: bool) -> Self {
        let shown = (0..COLUMNS).filter(|at| *at != 1 || with_series).collect();
        let width = out.screen.width.filter(|_| !full);
        Self { shown, with_payload, width, columns: Columns::new(HEADINGS), has_header: false }
    }

    /// Prints events; a header precedes the first.
    pub(super) fn print<'a>(
        &mut self,
        events: impl Iterator<Item = (Option<&'a Series>, &'a Event)>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let rows: Vec<_> = events.map(|(series, event)| (cells(series, event), &event.payload)).collect();
        for (cells, _) in &rows {
            self.columns.widen(cells);
        }
        let palette = out.screen.palette;
        if !rows.is_empty() && !self.has_header {
            self.has_header = true;
            let styles = [palette.heading; COLUMNS];
            let (line, _) = self.columns.padded(&self.columns.headings(), styles, &self.shown);
            let payload = if self.with_payload { "PAYLOAD" } else { "" };
            let heading = palette.heading;
            out.line(format!("{line}{heading}{payload}{heading:#}").trim_end())?;
        }
        let styles = [palette.key, Style::new(), palette.dim, palette.dim];
        for (cells, payload) in rows {
            let (line, start) = self.columns.padded(&cells, styles, &self.shown);
            let payload = if self.with_payload { self.payload(payload, start) } else { String::new() };
            out.line(format!("{line}{payload}").trim_end())?;
        }
        Ok(())
    }

    /// A payload, shortened with the number of bytes left out where the terminal is narrower.
    fn payload(&self, payload: &[u8], start: usize) -> String {
        let Some(width) = self.width else { return escape(payload) };
        let room = width.saturating_sub(start).max(MIN_PAYLOAD);
        let more = |bytes: usize| format!("… {}", count(bytes as u64, "more byte"));
        let start = escape_within(payload, room, room.saturating_sub(more(payload.len()).len()));
        if start.rest == 0 { start.text } else { start.text + &more(start.rest) }
    }
}

fn cells(series: Option<&Series>, event: &Event) -> [String; COLUMNS] {
    let series = series.map_or_else(String::new, |series| escape(series.as_str().as_bytes()));
    [time::format(event.time), series, id(event.id.as_bytes()), tags(&event.tags)]
}

/// An id: hexadecimal for the 16 bytes that servers make, which are hardly text.
fn id(id: &[u8]) -> String {
    if id.len() == 16 && !id.iter().all(u8::is_ascii_graphic) {
        return id.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    }
    escape(id)
}

fn tags(tags: &Tags) -> String {
    let tags: Vec<_> =
        tags.iter().map(|(key, value)| format!("{key}={}", escape(value.as_bytes()))).collect();
    tags.join(" ")
}
