//! What was asked for by name and does not exist.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::bytes::escape;
use super::failure::Failure;
use super::out::grouped;
use crate::exit::Exit;

/// Absences that a message lists.
const LISTED: usize = 10;

/// The absences of one command.
#[derive(Debug, Default)]
pub(super) struct Absent {
    lines: Vec<String>,
    count: u64,
}

impl Absent {
    /// Adds the absences of the record `id`. `missing`: the keys that were named and not found; `whole`: every item was asked
    /// for.
    pub(super) fn add(&mut self, id: &str, found: bool, missing: &BTreeSet<Bytes>, whole: bool) {
        let id = escape(id.as_bytes());
        if missing.is_empty() && !found {
            let what = if whole { "no items" } else { "no items with such keys" };
            self.line(|| format!("the record '{id}' has {what}"));
        }
        for key in missing {
            self.line(|| format!("the record '{id}' has no item '{}'", escape(key)));
        }
    }

    fn line(&mut self, line: impl FnOnce() -> String) {
        self.count += 1;
        if self.lines.len() < LISTED {
            self.lines.push(line());
        }
    }

    /// A failure that lists what is absent, if anything is.
    pub(super) fn into_result(self) -> Result<(), Failure> {
        let text = match self.lines.as_slice() {
            [] => return Ok(()),
            [line] => line.clone(),
            lines => {
                let more = self.count - lines.len() as u64;
                let more = if more > 0 { format!("\n  and {} more", grouped(more)) } else { String::new() };
                format!("{} not found:\n  {}{more}", grouped(self.count), lines.join("\n  "))
            }
        };
        Err(Failure::Kind(Exit::NotFound, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(absent: Absent) -> String {
        match absent.into_result() {
            Err(Failure::Kind(Exit::NotFound, text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn absences_are_listed_up_to_ten() {
        assert!(Absent::default().into_result().is_ok());
        let none = BTreeSet::new();
        let mut absent = Absent::default();
        absent.add("a", true, &none, false);
        assert!(absent.into_result().is_ok(), "a record that was found is absent");
        let mut absent = Absent::default();
        absent.add("a\n", false, &none, true);
        assert_eq!(text(absent), "the record 'a\\n' has no items");
        let mut absent = Absent::default();
        absent.add("a", false, &BTreeSet::from([Bytes::from_static(b"k\xff")]), false);
        assert_eq!(text(absent), "the record 'a' has no item 'k\\xff'");
        let mut absent = Absent::default();
        (0..12).for_each(|at| absent.add(&at.to_string(), false, &none, false));
        let text = text(absent);
        assert!(text.starts_with("12 not found:\n  the record '0' has no items with such keys\n"), "{text}");
        assert!(text.ends_with("\n  the record '9' has no items with such keys\n  and 2 more"), "{text}");
    }
}
