//! The entries of a scan, or of those of its records whose ids start with a prefix.

use bytes::Bytes;
use prism_contract::keyvalue::Entry;
use prism_contract::keyvalue::request::{ScanRequest, ScanResponse};
use prism_wire::keyvalue::Client;

use super::failure::Failure;
use super::meter::{Meter, Totals};
use super::scan::Stream;

/// Reads entries message by message, and shows the progress.
///
/// A Scan begins at the first id. The records before a prefix are therefore read too, but without their values: a resume token
/// depends on the namespace, the id, the predicate and the direction (PAGE-4), and not on `keys_only` or limits, so a scan of
/// the keys finds the token from which a scan with values begins. It ends after the last id with the prefix.
pub(super) struct Records {
    client: Client,
    request: ScanRequest,
    prefix: String,
    /// `None`: the first record with the prefix was not yet found.
    stream: Option<Stream>,
    done: bool,
    /// Of all that was read, records before the prefix included.
    totals: Totals,
    /// The progress of the scan.
    pub(super) meter: Meter,
}

/// The position of an id in the order of a scan, relative to the ids with a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Before,
    Within,
    After,
}

fn position(id: &str, prefix: &str, reverse: bool) -> Position {
    if id.starts_with(prefix) {
        Position::Within
    } else if (id < prefix) == reverse {
        Position::After
    } else {
        Position::Before
    }
}

impl Records {
    /// A scan of the records whose ids start with `prefix`; without it, of all that `request` selects.
    pub(super) fn open(client: Client, request: ScanRequest, prefix: Option<&str>, meter: Meter) -> Self {
        let stream = prefix.is_none().then(|| Stream::open(&client, request.clone()));
        meter.start_at(0);
        let (prefix, totals) = (prefix.unwrap_or_default().to_owned(), Totals::default());
        Self { client, request, prefix, stream, done: false, totals, meter }
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
        self.count(&message.entries);
        self.done = message.entries.iter().any(|entry| self.position(entry) == Position::After);
        let mut entries = message.entries;
        entries.retain(|entry| self.position(entry) == Position::Within);
        Ok(Some(entries))
    }

    /// Reads keys up to the prefix. Returns the token from which the first record with the prefix is next; `None`: no record
    /// has the prefix, or comes after it.
    async fn skip(&mut self) -> Result<Option<Bytes>, Failure> {
        let mut stream = self.keys(0, Bytes::new());
        let mut token = Bytes::new();
        while let Some(message) = stream.next().await? {
            let before =
                message.entries.iter().take_while(|entry| self.position(entry) == Position::Before).count();
            self.count(&message.entries[..before]);
            if before < message.entries.len() {
                return self.token_after(before, token).await.map(Some);
            }
            token = message.resume_token;
        }
        Ok(None)
    }

    /// The token after the next `count` entries, which are before the prefix. A token comes only with a message, so the message
    /// that reached the prefix is read again up to there.
    async fn token_after(&self, count: usize, token: Bytes) -> Result<Bytes, Failure> {
        let count = u32::try_from(count).unwrap_or(0);
        if count == 0 {
            return Ok(token);
        }
        let message = self.keys(count, token.clone()).next().await?;
        // If one of these entries was deleted meanwhile, the message may reach beyond the prefix, or to the end.
        let is_before = |message: &ScanResponse| {
            !message.resume_token.is_empty()
                && message.entries.iter().all(|entry| self.position(entry) == Position::Before)
        };
        Ok(message.filter(is_before).map_or(token, |message| message.resume_token))
    }

    /// A scan without values: of `count` entries from `token` on; with 0, of all, in full messages.
    fn keys(&self, count: u32, token: Bytes) -> Stream {
        let mut request = self.request.clone();
        request.selection.keys_only = true;
        // The limit of the command is one of entries with the prefix.
        (request.selection.item_limit, request.limit) = (count, count.into());
        request.resume_token = token;
        Stream::open(&self.client, request)
    }

    fn position(&self, entry: &Entry) -> Position {
        position(entry.id.as_str(), &self.prefix, self.request.selection.reverse)
    }

    fn count(&mut self, entries: &[Entry]) {
        for Entry { id, item } in entries {
            self.totals.add(id, item.key.len() + item.value.len());
        }
        self.meter.update(self.totals.bytes, self.totals.records, self.totals.items);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_of_an_id_depends_on_the_direction() {
        let positions = |reverse| {
            ["a", "b", "b:", "b:1", "b:\u{10ffff}", "b;", "c"].map(|id| position(id, "b:", reverse))
        };
        let within = [Position::Within; 3];
        assert_eq!(positions(false)[..2], [Position::Before; 2]);
        assert_eq!(positions(false)[2..5], within);
        assert_eq!(positions(false)[5..], [Position::After; 2]);
        assert_eq!(positions(true)[..2], [Position::After; 2]);
        assert_eq!(positions(true)[2..5], within);
        assert_eq!(positions(true)[5..], [Position::Before; 2]);
    }
}
