//! TimeSeries' tokens: the scopes that they are bound to, and the positions that they hold.

use bytes::Bytes;

use super::{EventId, EventKey, Limits, Series, Tags, TimeRange};
use crate::common::Seal;
use crate::{Invalid, Namespace, Timestamp};

/// A position in the log of a series or of a namespace, in the backend's own form ([`super::log::LogPosition`] is one). At
/// most 4 KiB.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position(Bytes);

impl Position {
    /// A position of these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The scope of a Query's resume token: namespace, series, range, tags and direction, but no limits (QRY-9).
#[derive(Clone)]
pub(super) struct QueryScope(Seal);

impl QueryScope {
    pub(super) fn new(
        namespace: &Namespace,
        series: &Series,
        range: TimeRange,
        tags: &Tags,
        reverse: bool,
    ) -> Self {
        let mut seal = Seal::of_method(b'q');
        seal.kind(if reverse { b'r' } else { b'f' });
        seal.field(namespace.as_str().as_bytes());
        seal.field(series.as_str().as_bytes());
        seal.field(&range.start.to_le_bytes());
        seal.field(&range.end.to_le_bytes());
        for (key, value) in tags.iter() {
            seal.field(key.as_bytes());
            seal.field(value.as_bytes());
        }
        Self(seal)
    }

    /// The token of a message that ended with `last`, in a Query with this snapshot.
    pub(super) fn seal(&self, snapshot: &Position, last: &EventKey) -> Bytes {
        let length = u16::try_from(snapshot.0.len()).expect("a position is at most 4 KiB");
        let time = last.time.as_micros().to_le_bytes();
        self.0.seal(&[&length.to_le_bytes(), &snapshot.0, &time, last.id.as_bytes()])
    }

    /// What is in a token; `None` for an empty one: the start of a Query.
    pub(super) fn open(&self, token: &[u8]) -> Result<Option<(Position, EventKey)>, Invalid> {
        let what = "Query, namespace, series, range, tags and direction";
        open(&self.0, token, what, |sealed| {
            let (length, rest) = sealed.split_first_chunk::<2>()?;
            let (snapshot, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            let (time, id) = rest.split_first_chunk::<8>()?;
            let time = Timestamp::from_micros(i64::from_le_bytes(*time)).ok()?;
            let id = EventId::new(Bytes::copy_from_slice(id)).ok()?;
            Some((Position(Bytes::copy_from_slice(snapshot)), EventKey { time, id }))
        })
    }
}

/// The scope of a Tail's token: namespace and series, but no tags (TAIL-10).
#[derive(Clone)]
pub(super) struct TailScope(Seal);

impl TailScope {
    /// `None`: the whole namespace.
    pub(super) fn new(namespace: &Namespace, series: Option<&Series>) -> Self {
        let mut seal = Seal::of_method(b't');
        seal.field(namespace.as_str().as_bytes());
        seal.field(series.map_or("", Series::as_str).as_bytes());
        Self(seal)
    }

    /// The token of a position. `began` is the moment of a Tail from the beginning.
    pub(super) fn seal(&self, position: &Position, began: Option<Timestamp>) -> Bytes {
        let began = began.map_or(i64::MIN, Timestamp::as_micros).to_le_bytes();
        self.0.seal(&[&began, &position.0])
    }

    /// What is in a token.
    pub(super) fn open(&self, token: &[u8]) -> Result<(Position, Option<Timestamp>), Invalid> {
        let what = "Tail, namespace and series";
        let opened = open(&self.0, token, what, |sealed| {
            let (began, position) = sealed.split_first_chunk::<8>()?;
            let began = Timestamp::from_micros(i64::from_le_bytes(*began)).ok();
            Some((Position(Bytes::copy_from_slice(position)), began))
        })?;
        opened.ok_or_else(|| Invalid::new("is empty; pass the token of a message"))
    }
}

/// The scope of a ListSeries token: namespace and prefix (SER-1).
#[derive(Clone)]
pub(super) struct SeriesScope(Seal);

impl SeriesScope {
    pub(super) fn new(namespace: &Namespace, prefix: &str) -> Self {
        let mut seal = Seal::of_method(b'l');
        seal.field(namespace.as_str().as_bytes());
        seal.field(prefix.as_bytes());
        Self(seal)
    }

    pub(super) fn seal(&self, last: &Series) -> Bytes {
        self.0.seal(&[last.as_str().as_bytes()])
    }

    /// `None` for an empty token: the start of a list.
    pub(super) fn open(&self, token: &[u8]) -> Result<Option<Series>, Invalid> {
        let what = "ListSeries, namespace and prefix";
        open(&self.0, token, what, |sealed| Series::new(std::str::from_utf8(sealed).ok()?).ok())
    }
}

fn open<T>(
    seal: &Seal,
    token: &[u8],
    what: &str,
    read: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, Invalid> {
    if token.is_empty() {
        return Ok(None);
    }
    // Before the token is hashed: it may be as large as a request.
    if token.len() > Limits::TOKEN_BYTES {
        return Err(Invalid::length(token.len(), 0, Limits::TOKEN_BYTES));
    }
    seal.open(token).and_then(read).map(Some).ok_or_else(|| {
        Invalid::new(format!(
            "is not a token of this {what}; pass the token of an earlier message, unchanged"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(text: &str) -> Namespace {
        Namespace::new(text).unwrap()
    }

    fn series(text: &str) -> Series {
        Series::new(text).unwrap()
    }

    fn tags(tags: &[(&str, &str)]) -> Tags {
        Tags::new(tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))).unwrap()
    }

    fn position() -> Position {
        Position::new(&b"p\0sition"[..])
    }

    fn refusal(what: &str) -> Invalid {
        Invalid::new(format!(
            "is not a token of this {what}; pass the token of an earlier message, unchanged"
        ))
    }

    #[test]
    fn a_query_token_opens_in_its_scope_only() {
        let of = |ns: &str, s: &str, end: i64, with: &[(&str, &str)], reverse: bool| {
            QueryScope::new(&namespace(ns), &series(s), TimeRange { start: 0, end }, &tags(with), reverse)
        };
        let scope = of("a", "b", 9, &[("k", "v")], false);
        let last =
            EventKey { time: Timestamp::from_micros(7).unwrap(), id: EventId::new(&b"\0i"[..]).unwrap() };
        let token = scope.seal(&position(), &last);
        assert_eq!(scope.open(&token), Ok(Some((position(), last))));
        assert_eq!(scope.open(b""), Ok(None));
        let others = [
            of("ab", "b", 9, &[("k", "v")], false),
            of("a", "c", 9, &[("k", "v")], false),
            of("a", "b", 8, &[("k", "v")], false),
            of("a", "b", 9, &[], false),
            of("a", "b", 9, &[("k", "v")], true),
        ];
        for other in others {
            assert!(other.open(&token).unwrap_err().to_string().starts_with("is not a token of this Query"));
        }
        for at in 0..token.len() {
            let mut damaged = token.to_vec();
            damaged[at] ^= 1;
            assert!(scope.open(&damaged).is_err(), "byte {at} changed");
        }
        assert_eq!(scope.open(&[1; 8_193]), Err(Invalid::length(8_193, 0, 8_192)));
    }

    #[test]
    fn a_tail_token_is_bound_to_namespace_and_series_and_keeps_its_moment() {
        let scope = TailScope::new(&namespace("a"), Some(&series("b")));
        for began in [None, Some(Timestamp::EPOCH), Some(Timestamp::MAX)] {
            let token = scope.seal(&position(), began);
            assert_eq!(scope.open(&token), Ok((position(), began)));
            for other in
                [TailScope::new(&namespace("a"), None), TailScope::new(&namespace("b"), Some(&series("b")))]
            {
                assert_eq!(other.open(&token), Err(refusal("Tail, namespace and series")));
            }
        }
        assert_eq!(scope.open(b""), Err(Invalid::new("is empty; pass the token of a message")));
    }

    #[test]
    fn tokens_of_other_methods_are_refused() {
        let (namespace, of) = (namespace("a"), series("b"));
        let last = EventKey { time: Timestamp::EPOCH, id: EventId::new(&b"i"[..]).unwrap() };
        let query = QueryScope::new(&namespace, &of, TimeRange::ALL, &Tags::default(), false);
        let tail = TailScope::new(&namespace, Some(&of));
        let list = SeriesScope::new(&namespace, "");
        let [of_query, of_tail, of_list] = [
            "Query, namespace, series, range, tags and direction",
            "Tail, namespace and series",
            "ListSeries, namespace and prefix",
        ]
        .map(refusal);
        assert_eq!(tail.open(&query.seal(&position(), &last)), Err(of_tail));
        assert_eq!(query.open(&tail.seal(&position(), None)), Err(of_query));
        assert_eq!(list.open(&tail.seal(&position(), None)), Err(of_list.clone()));
        assert_eq!(list.open(&list.seal(&of)), Ok(Some(of)));
        let other = SeriesScope::new(&namespace, "b");
        assert_eq!(other.open(&list.seal(&series("b"))), Err(of_list));
    }
}
