//! Items as a table for people: aligned columns, one line per item.

use std::fmt::Write;

use prism_contract::keyvalue::Item;

use super::bytes::escape;
use super::{jsonl, time};

/// Maximum column width for alignment, in characters: longer ids and keys do not widen their column.
const MAX_WIDTH: usize = 40;

/// Aligns the lines of one result, page by page: a page may widen the columns of later pages.
pub(super) struct Table {
    with_id: bool,
    keys_only: bool,
    widths: [usize; COLUMNS],
    header: bool,
}

/// All columns but the last, which is the value.
const COLUMNS: usize = 4;
const HEADER: [&str; COLUMNS] = ["ID", "KEY", "VERSION", "UPDATED"];

impl Table {
    /// An empty table. `with_id`: the items may belong to several records.
    pub(super) fn new(with_id: bool, keys_only: bool) -> Self {
        Self { with_id, keys_only, widths: HEADER.map(str::len), header: true }
    }

    /// The lines of a page, without newlines; the header precedes the first item.
    pub(super) fn page<'a>(&mut self, items: impl IntoIterator<Item = (&'a str, &'a Item)>) -> Vec<String> {
        let rows: Vec<_> =
            items.into_iter().map(|(id, item)| (cells(id, item), self.last_cell(item))).collect();
        for (cells, _) in &rows {
            for (width, cell) in self.widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.chars().count().min(MAX_WIDTH));
            }
        }
        let value_header = if self.keys_only { "" } else { "VALUE" };
        let header =
            (self.header && !rows.is_empty()).then(|| self.line(&HEADER.map(str::to_owned), value_header));
        self.header &= rows.is_empty();
        header.into_iter().chain(rows.iter().map(|(cells, last)| self.line(cells, last))).collect()
    }

    fn line(&self, cells: &[String; COLUMNS], last: &str) -> String {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(self.widths).skip(usize::from(!self.with_id)) {
            write!(line, "{cell:width$}  ").expect("writing to a String cannot fail");
        }
        if last.is_empty() {
            line.truncate(line.trim_end_matches(' ').len());
        }
        line.push_str(last);
        line
    }

    /// The value, followed by the item's expiry, content type and compression.
    fn last_cell(&self, item: &Item) -> String {
        let mut notes = Vec::new();
        if let Some(at) = item.expires_at {
            notes.push(format!("expires {}", time::format(at)));
        }
        if !item.content_type.is_empty() {
            notes.push(escape(item.content_type.as_bytes()));
        }
        if item.compression != 0 {
            let name = jsonl::compression_name(item.compression);
            notes.push(name.unwrap_or_else(|| format!("compression {}", item.compression)));
        }
        let value = if self.keys_only { String::new() } else { escape(&item.value) };
        if notes.is_empty() { value } else { format!("{value}  ({})", notes.join(", ")) }
    }
}

fn cells(id: &str, item: &Item) -> [String; COLUMNS] {
    [escape(id.as_bytes()), escape(&item.key), item.version.to_string(), time::format(item.updated_at)]
}

#[cfg(test)]
mod tests {
    use prism_contract::Timestamp;
    use prism_contract::keyvalue::Key;

    use super::*;

    fn item(key: &'static str, value: &'static [u8], version: i64) -> Item {
        Item {
            key: Key::new(key).unwrap(),
            value: value.into(),
            content_type: String::new(),
            compression: 0,
            version,
            priority_token: 0,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
            expires_at: None,
        }
    }

    #[test]
    fn columns_are_aligned_and_each_item_is_one_line() {
        let items = [item("a", b"x\ny", 7), item("long-key", b"\xff", 1_234_567_890)];
        let lines = Table::new(false, false).page(items.iter().map(|item| ("r", item)));
        assert_eq!(
            lines,
            [
                "KEY       VERSION     UPDATED               VALUE",
                "a         7           1970-01-01T00:00:00Z  x\\ny",
                "long-key  1234567890  1970-01-01T00:00:00Z  \\xff",
            ]
        );
    }

    #[test]
    fn the_header_is_printed_once_and_only_above_items() {
        let mut table = Table::new(true, true);
        assert_eq!(table.page([]), Vec::<String>::new());
        let one = item("k", b"", 1);
        assert_eq!(
            table.page([("r", &one)]),
            ["ID  KEY  VERSION  UPDATED", "r   k    1        1970-01-01T00:00:00Z",]
        );
        assert_eq!(table.page([("r", &one)]).len(), 1);
    }

    #[test]
    fn metadata_follows_the_value() {
        let mut item_with_metadata = item("k", b"v", 1);
        item_with_metadata.content_type = "text/plain".to_owned();
        item_with_metadata.compression = 1;
        item_with_metadata.expires_at = Some(Timestamp::EPOCH);
        let lines = Table::new(false, false).page([("r", &item_with_metadata)]);
        assert!(lines[1].ends_with("v  (expires 1970-01-01T00:00:00Z, text/plain, gzip)"), "{}", lines[1]);
        item_with_metadata.compression = 77;
        let lines = Table::new(false, false).page([("r", &item_with_metadata)]);
        assert!(lines[1].ends_with("compression 77)"), "{}", lines[1]);
    }
}
