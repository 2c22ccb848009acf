//! The entries of a scan, or of those of its records whose ids start with a prefix.

use bytes::Bytes;
use prism_contract::keyvalue::Entry;
use prism_contract::keyvalue::request::ScanRequest;
use prism_wire::keyvalue::Client;

use super::failure::Failure;
use super::meter::Meter;
use super::scan::Stream;

/// Reads entries message by message, and shows the progress.
///
/// A Scan begins at the first id. The records before a prefix are therefore read too, but without their values: a resume token
/// depends on the namespace, the id, the predicate and the direction (PAGE-4), and not on `keys_only`, so a scan of the keys
/// finds the token from which a scan with values begins. It ends after the last id with the prefix.
pub(super) struct Records {
    client: Client,
    request: ScanRequest,
    prefix: String,
    /// `None`: the first record with the prefix was not yet found.
    stream: Option<Stream>,
    done: bool,
    totals: Totals,
    /// The progress of the scan.
    pub(super) meter: Meter,
}

/// What was read so far, records before the prefix included.
#[derive(Default)]
struct Totals {
    last: String,
    records: u64,
    items: u64,
    bytes: u64,
}

/// The place of an id in the order of a scan, relative to the ids with a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Within,
    After,
}

fn place(id: &str, prefix: &str, reverse: bool) -> Place {
    if id.starts_with(prefix) {
        Place::Within
    } else if (id < prefix) == reverse {
        Place::After
    } else {
        Place::Before
    }
}

impl Records {
    /// A scan of the records whose ids start with `prefix`; without it, of all that `request` selects.
    pub(super) fn open(
        client: Client,
        request: ScanRequest,
        prefix: Option<&str>,
        meter: Meter,
    ) -> Result<Self, Failure> {
        if prefix == Some("") {
            return Err(Failure::Usage("--id-prefix is empty; leave it out for every record".to_owned()));
        }
        let stream = prefix.is_none().then(|| Stream::open(&client, request.clone()));
        meter.start_at(0);
        let (prefix, totals) = (prefix.unwrap_or_default().to_owned(), Totals::default());
        Ok(Self { client, request, prefix, stream, done: false, totals, meter })
    }

    /// The next entries, possibly none; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Entry>>, Failure> {
        let entries = if self.done { None } else { self.message().await? };
        self.done |= entries.is_none();
        if self.done {
            self.meter.finish();
        }
        Ok(entries)
    }

    /// The entries with the prefix in the next message; `None` after the last message.
    async fn message(&mut self) -> Result<Option<Vec<Entry>>, Failure> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => match self.skip().await? {
                Some(resume_token) => {
                    Stream::open(&self.client, ScanRequest { resume_token, ..self.request.clone() })
                }
                None => return Ok(None),
            },
        };
        let Some(message) = stream.next().await? else { return Ok(None) };
        self.stream = Some(stream);
        self.totals.add(&message.entries, &mut self.meter);
        let place = |entry: &Entry| place(entry.id.as_str(), &self.prefix, self.request.selection.reverse);
        self.done = message.entries.iter().any(|entry| place(entry) == Place::After);
        Ok(Some(message.entries.into_iter().filter(|entry| place(entry) == Place::Within).collect()))
    }

    /// Reads keys up to the first message that reaches the prefix. Returns the token of the message before; `None`: no record
    /// has the prefix, or comes after it.
    async fn skip(&mut self) -> Result<Option<Bytes>, Failure> {
        let mut request = self.request.clone();
        request.selection.keys_only = true;
        // A full page: the limit is one of entries with the prefix.
        (request.selection.item_limit, request.limit) = (0, 0);
        let reverse = request.selection.reverse;
        let mut stream = Stream::open(&self.client, request);
        let mut token = Bytes::new();
        while let Some(message) = stream.next().await? {
            let last = message.entries.last();
            if last.is_some_and(|entry| place(entry.id.as_str(), &self.prefix, reverse) != Place::Before) {
                return Ok(Some(token));
            }
            self.totals.add(&message.entries, &mut self.meter);
            token = message.resume_token;
        }
        Ok(None)
    }
}

impl Totals {
    fn add(&mut self, entries: &[Entry], meter: &mut Meter) {
        for Entry { id, item } in entries {
            self.items += 1;
            self.bytes += (item.key.len() + item.value.len()) as u64;
            if self.last != id.as_str() {
                self.records += 1;
                id.as_str().clone_into(&mut self.last);
            }
        }
        meter.update(self.bytes, self.records, self.items);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_an_id_depends_on_the_direction() {
        let places =
            |reverse| ["a", "b", "b:", "b:1", "b:\u{10ffff}", "b;", "c"].map(|id| place(id, "b:", reverse));
        let within = [Place::Within; 3];
        assert_eq!(places(false)[..2], [Place::Before; 2]);
        assert_eq!(places(false)[2..5], within);
        assert_eq!(places(false)[5..], [Place::After; 2]);
        assert_eq!(places(true)[..2], [Place::After; 2]);
        assert_eq!(places(true)[2..5], within);
        assert_eq!(places(true)[5..], [Place::Before; 2]);
    }
}
