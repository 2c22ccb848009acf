//! Packs entries into canonical lines: a line, and so the memory, holds no more items of a record than one Put.

use prism_contract::keyvalue::{Entry, Item, Limits, RecordId};

use crate::client::jsonl::record_line;

/// Accumulates entries, which come in the order of their ids and keys, until a line is full.
///
/// Lines do not depend on message boundaries: a line ends at the end of its record, or where one more item would exceed the
/// limits of a Put (1,000 items, 4 MiB of keys and values).
#[derive(Default)]
pub(super) struct Packer {
    id: Option<RecordId>,
    items: Vec<Item>,
    bytes: usize,
}

impl Packer {
    /// Adds an entry; returns the previous line if it is full or its record has ended.
    pub(super) fn push(&mut self, Entry { id, item }: Entry) -> Option<Vec<u8>> {
        let bytes = item.key.len() + item.value.len();
        let fits = self.items.len() < Limits::V1.put_items as usize
            && self.bytes + bytes <= Limits::V1.put_bytes as usize;
        let line = if self.id.as_ref() == Some(&id) && fits { None } else { self.line() };
        self.id = Some(id);
        self.bytes += bytes;
        self.items.push(item);
        line
    }

    /// Takes the line accumulated so far; `None`: it is empty.
    pub(super) fn line(&mut self) -> Option<Vec<u8>> {
        let id = self.id.take()?;
        let line = record_line(id.as_str(), &self.items);
        self.items.clear();
        self.bytes = 0;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use prism_contract::Timestamp;
    use prism_contract::keyvalue::Key;

    use super::*;
    use crate::client::jsonl::{self, Line};

    fn entry(id: &str, key: String, value: usize) -> Entry {
        let item = Item {
            key: Key::new(key).unwrap(),
            value: vec![b'v'; value].into(),
            content_type: String::new(),
            compression: 0,
            version: 1,
            priority_token: 0,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
            expires_at: None,
        };
        Entry { id: RecordId::new(id).unwrap(), item }
    }

    fn packed(entries: impl IntoIterator<Item = Entry>) -> Vec<Line> {
        let mut packer = Packer::default();
        let mut lines: Vec<_> = entries.into_iter().filter_map(|entry| packer.push(entry)).collect();
        lines.extend(packer.line());
        lines.iter().map(|line| jsonl::parse(line.strip_suffix(b"\n").unwrap()).unwrap()).collect()
    }

    #[test]
    fn each_record_is_one_line_with_all_its_keys() {
        let lines = packed([entry("a", "1".into(), 0), entry("a", "2".into(), 0), entry("b", "1".into(), 0)]);
        let shape: Vec<_> = lines.iter().map(|line| (line.id.as_str(), line.items.len())).collect();
        assert_eq!(shape, [("a", 2), ("b", 1)]);
        assert!(packed([]).is_empty());
    }

    #[test]
    fn a_record_above_the_limits_of_a_put_continues_on_the_next_line() {
        let many = packed((0..2_001).map(|at| entry("a", format!("{at:04}"), 0)));
        assert_eq!(many.iter().map(|line| line.items.len()).collect::<Vec<_>>(), [1_000, 1_000, 1]);
        let full = (4 << 20) / 4;
        let large = packed((0..5).map(|at| entry("a", at.to_string(), full - 1)));
        assert_eq!(large.iter().map(Line::bytes).collect::<Vec<_>>(), [4 << 20, full]);
        let larger = packed((0..5).map(|at| entry("a", at.to_string(), full)));
        assert_eq!(larger.iter().map(|line| line.items.len()).collect::<Vec<_>>(), [3, 2]);
    }
}
