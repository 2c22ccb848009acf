//! Items as a table for people: aligned columns, one line per item where the terminal is wide enough.

#[cfg(test)]
mod tests;

use anstyle::Style;
use prism_contract::Timestamp;
use prism_contract::keyvalue::Item;
use unicode_width::UnicodeWidthStr;

use super::bytes::{Start, escape, escape_within};
use super::columns::Columns;
use super::out::count;
use super::{jsonl, time};
use crate::terminal::Screen;

/// Room for a value on a terminal, in columns; columns of metadata are left out where it has less.
const MIN_VALUE: usize = 24;
/// Indentation of a value on a separate line.
const INDENT: &str = "    ";

/// All columns but the last, which is the value.
const COLUMNS: usize = 4;
const HEADINGS: [&str; COLUMNS] = ["ID", "KEY", "VERSION", "UPDATED"];
/// The columns to show, on ever narrower terminals. Where the ids leave no room for the rest, each is on a separate line, above
/// the items of its record.
const CHOICES: [&[usize]; 6] = [&[0, 1, 2, 3], &[0, 1, 2], &[0, 1], &[1, 2, 3], &[1, 2], &[1]];
/// The choices for the items of one record.
const WITHOUT_ID: usize = 3;
/// Indentation of items below their id.
const BELOW_ID: &str = "  ";

/// Lays out the items of one result, page by page.
pub(super) struct Table {
    screen: Screen,
    /// The width to fit into; `None`: every value is whole.
    width: Option<usize>,
    with_id: bool,
    keys_only: bool,
    columns: Columns<COLUMNS>,
    /// The columns of the last header.
    header: Option<&'static [usize]>,
    /// The last id that was printed above items.
    above: Option<String>,
}

impl Table {
    /// An empty table. `with_id`: the items may belong to several records. `full`: values are whole on a terminal too.
    pub(super) fn new(screen: Screen, with_id: bool, keys_only: bool, full: bool) -> Self {
        let width = screen.width.filter(|_| !full);
        Self { screen, width, with_id, keys_only, columns: Columns::new(HEADINGS), header: None, above: None }
    }

    /// The lines of a page, without newlines; a header precedes the first item, and the first with other columns.
    pub(super) fn page<'a>(&mut self, items: impl IntoIterator<Item = (&'a str, &'a Item)>) -> Vec<String> {
        let rows: Vec<_> = items.into_iter().map(|(id, item)| (self.cells(id, item), item)).collect();
        if rows.is_empty() {
            return Vec::new();
        }
        for (cells, _) in &rows {
            self.columns.widen(cells);
        }
        let shown = self.shown();
        let mut lines = Vec::with_capacity(rows.len() + 1);
        if self.header != Some(shown) {
            self.header = Some(shown);
            self.headings(shown, &mut lines);
        }
        for (cells, item) in &rows {
            if self.is_below_id(shown) && self.above.as_ref() != Some(&cells[0]) {
                lines.push(cells[0].clone());
                self.above = Some(cells[0].clone());
            }
            self.row(cells, item, shown, &mut lines);
        }
        lines
    }

    fn cells(&self, id: &str, item: &Item) -> [String; COLUMNS] {
        let id = if self.with_id { escape(id.as_bytes()) } else { String::new() };
        // To the microsecond, an update would take a third of a terminal.
        let updated = match self.width {
            Some(_) => to_the_second(item.updated_at),
            None => item.updated_at,
        };
        [id, escape(&item.key), item.version.to_string(), time::format(updated)]
    }

    /// The columns to show: as many as leave room for a value.
    fn shown(&self) -> &'static [usize] {
        let value = if self.keys_only { 0 } else { MIN_VALUE };
        let fits = |shown: &&[usize]| match self.width {
            Some(width) => self.indent(shown).len() + self.columns.width(shown) + value <= width,
            None => true,
        };
        let choices = if self.with_id { &CHOICES[..] } else { &CHOICES[WITHOUT_ID..] };
        choices.iter().copied().find(fits).unwrap_or(CHOICES[CHOICES.len() - 1])
    }

    fn is_below_id(&self, shown: &[usize]) -> bool {
        self.with_id && !shown.contains(&0)
    }

    fn indent(&self, shown: &[usize]) -> &'static str {
        if self.is_below_id(shown) { BELOW_ID } else { "" }
    }

    fn headings(&self, shown: &[usize], lines: &mut Vec<String>) {
        let heading = self.screen.palette.heading;
        let (headings, indent) = (self.columns.headings(), self.indent(shown));
        if self.is_below_id(shown) {
            lines.push(format!("{heading}{}{heading:#}", headings[0]));
        }
        if self.keys_only {
            lines.push(indent.to_owned() + &self.columns.line(&headings, [heading; COLUMNS], shown));
        } else {
            let (line, _) = self.columns.padded(&headings, [heading; COLUMNS], shown);
            lines.push(format!("{indent}{line}{heading}VALUE{heading:#}"));
        }
    }

    fn row(&self, cells: &[String; COLUMNS], item: &Item, shown: &[usize], lines: &mut Vec<String>) {
        let palette = self.screen.palette;
        let styles = [Style::new(), palette.key, palette.dim, palette.dim];
        let value: &[u8] = if self.keys_only { &[] } else { &item.value };
        let notes = notes(item, self.width.is_some());
        let indent = self.indent(shown);
        if value.is_empty() && notes.is_empty() {
            lines.push(indent.to_owned() + &self.columns.line(cells, styles, shown));
            return;
        }
        let (line, start) = self.columns.padded(cells, styles, shown);
        let (mut line, start) = (indent.to_owned() + &line, indent.len() + start);
        let gap = if value.is_empty() || notes.is_empty() { "" } else { "  " };
        let Some(width) = self.width else {
            lines.push(format!("{line}{}{gap}{}", escape(value), self.dim(&notes)));
            return;
        };
        let mut room = width.saturating_sub(start);
        if !fits_beside(value, room) {
            lines.push(std::mem::replace(&mut line, INDENT.to_owned()).trim_end().to_owned());
            room = width.saturating_sub(INDENT.len());
        }
        let beside = |room: usize| room.checked_sub(gap.len() + notes.width());
        let with_notes = beside(room).filter(|room| notes.is_empty() || fits_beside(value, *room));
        line.push_str(&self.value(value, with_notes.unwrap_or(room)));
        // Notes that do not fit beside the value are on a separate line.
        if with_notes.is_none() {
            lines.push(std::mem::replace(&mut line, INDENT.to_owned()).trim_end().to_owned());
        } else {
            line.push_str(gap);
        }
        lines.push(line + &self.dim(&notes));
    }

    /// A value in at most `room` columns: shortened, with the number of bytes left out, where it has more.
    fn value(&self, value: &[u8], room: usize) -> String {
        let longest = more(value.len()).width();
        // Without room for some of the value and the number, there is only a sign that it goes on.
        let counted = room >= longest + 4;
        let cut = if counted { room - longest } else { room.saturating_sub(1) };
        let Start { text, rest } = escape_within(value, room, cut);
        let more = match rest {
            0 => String::new(),
            rest if counted => more(rest),
            _ => "…".to_owned(),
        };
        text + &self.dim(&more)
    }

    fn dim(&self, text: &str) -> String {
        let dim = self.screen.palette.dim;
        if text.is_empty() { String::new() } else { format!("{dim}{text}{dim:#}") }
    }
}

/// Whether a value may stand in `room` columns: it fits, or enough of it does.
fn fits_beside(value: &[u8], room: usize) -> bool {
    room >= MIN_VALUE || escape_within(value, room, room).rest == 0
}

/// The end of a shortened value.
fn more(bytes: usize) -> String {
    format!("… {}", count(bytes as u64, "more byte"))
}

fn to_the_second(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros() - at.as_micros().rem_euclid(1_000_000)).unwrap_or(at)
}

/// An item's expiry, content type and compression, in parentheses; empty if it has none. `short`: times are to the second.
pub(super) fn notes(item: &Item, short: bool) -> String {
    let mut notes = Vec::new();
    if let Some(at) = item.expires_at {
        let at = if short { to_the_second(at) } else { at };
        notes.push(format!("expires {}", time::format(at)));
    }
    if !item.content_type.is_empty() {
        notes.push(escape(item.content_type.as_bytes()));
    }
    if item.compression != 0 {
        let name = jsonl::compression_name(item.compression);
        notes.push(name.unwrap_or_else(|| format!("compression {}", item.compression)));
    }
    if notes.is_empty() { String::new() } else { format!("({})", notes.join(", ")) }
}
