//! Records and items that were named and do not exist.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use serde_json::{Value, json};

use super::bytes::escape;
use super::failure::Failure;
use super::jsonl::key_json;
use super::out::grouped;

/// Absences that the text for people lists.
const LISTED: usize = 10;

/// The absences of one command.
#[derive(Debug)]
pub(super) struct Absent {
    /// Whether all are kept, for programs, and not only those that the text lists.
    keeps_all: bool,
    kept: Vec<Absence>,
    count: u64,
}

#[derive(Debug)]
struct Absence {
    id: String,
    what: What,
}

/// The part of a record that is absent.
#[derive(Debug)]
enum What {
    /// Every item.
    Record,
    /// Every item that a prefix or a range selects.
    Selected,
    /// The item of a key.
    Key(Bytes),
}

impl Absent {
    /// No absences so far. `json`: they are for a program.
    pub(super) fn new(json: bool) -> Self {
        Self { keeps_all: json, kept: Vec::new(), count: 0 }
    }

    /// Adds the absences of the record `id`. `missing`: the keys that were named and not found; `whole`: every item was
    /// selected.
    pub(super) fn add(&mut self, id: &str, found: bool, missing: &BTreeSet<Bytes>, whole: bool) {
        if missing.is_empty() && !found {
            self.keep(id, if whole { What::Record } else { What::Selected });
        }
        for key in missing {
            self.keep(id, What::Key(key.clone()));
        }
    }

    fn keep(&mut self, id: &str, what: What) {
        self.count += 1;
        if self.keeps_all || self.kept.len() < LISTED {
            self.kept.push(Absence { id: id.to_owned(), what });
        }
    }

    /// A failure if anything is absent.
    pub(super) fn into_result(self) -> Result<(), Failure> {
        if self.count == 0 { Ok(()) } else { Err(Failure::NotFound(self)) }
    }

    /// The failure that ended the command, with the absences found before it.
    pub(super) fn before(self, failure: Failure) -> Failure {
        match failure {
            // Nothing is reported, or no longer.
            Failure::OutputClosed | Failure::Reported => failure,
            failure if self.count == 0 => failure,
            failure => Failure::After(self, Box::new(failure)),
        }
    }

    /// Each absence as an object: the record's id, and the key if one was named.
    pub(super) fn to_json(&self) -> Value {
        let object = |absence: &Absence| {
            let mut object = match &absence.what {
                What::Record | What::Selected => serde_json::Map::new(),
                What::Key(key) => key_json(key),
            };
            object.insert("id".to_owned(), json!(absence.id));
            Value::Object(object)
        };
        self.kept.iter().map(object).collect()
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ([only], 1) = (self.kept.as_slice(), self.count) {
            return only.fmt(f);
        }
        write!(f, "{} not found:", grouped(self.count))?;
        let listed = &self.kept[..self.kept.len().min(LISTED)];
        for absence in listed {
            write!(f, "\n  {absence}")?;
        }
        match self.count - listed.len() as u64 {
            0 => Ok(()),
            more => write!(f, "\n  and {} more", grouped(more)),
        }
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = escape(self.id.as_bytes());
        match &self.what {
            What::Record => write!(f, "the record '{id}' has no items"),
            What::Selected => write!(f, "the record '{id}' has no items with such keys"),
            What::Key(key) => write!(f, "the record '{id}' has no item '{}'", escape(key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_ten_absences_and_programs_all() {
        Absent::new(false).into_result().unwrap();
        let none = BTreeSet::new();
        for json in [false, true] {
            let mut absent = Absent::new(json);
            absent.add("a", true, &none, false);
            absent.into_result().expect("a record that was found is not absent");
            let mut absent = Absent::new(json);
            absent.add("a\n", false, &none, true);
            assert_eq!(absent.to_string(), "the record 'a\\n' has no items");
            assert_eq!(absent.to_json(), json!([{ "id": "a\n" }]));
            let mut absent = Absent::new(json);
            absent.add("a", false, &BTreeSet::from([Bytes::from_static(b"k\xff")]), false);
            assert_eq!(absent.to_string(), "the record 'a' has no item 'k\\xff'");
            assert_eq!(absent.to_json(), json!([{ "id": "a", "key_base64": "a/8=" }]));
            let mut absent = Absent::new(json);
            (0..12).for_each(|at| absent.add(&at.to_string(), false, &none, false));
            let text = absent.to_string();
            assert!(
                text.starts_with("12 not found:\n  the record '0' has no items with such keys\n"),
                "{text}"
            );
            assert!(text.ends_with("\n  the record '9' has no items with such keys\n  and 2 more"), "{text}");
            assert_eq!(absent.to_json().as_array().unwrap().len(), if json { 12 } else { 10 });
        }
    }
}
