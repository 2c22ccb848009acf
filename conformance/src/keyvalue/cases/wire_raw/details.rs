//! The details of a refusal, byte by byte: both lists of failing preconditions, their escapes, their size, and what stands for
//! violations that are not listed.

use bytes::Bytes;

use super::PUT;
use crate::core::Need::Wire;
use crate::core::StatusCode::{FailedPrecondition, InvalidArgument};
use crate::core::raw_calls::protobuf::{bytes_field, number, number_field, repeated, text};
use crate::core::raw_calls::{HttpAnswer, framed, http_answer_text, request, send};
use crate::core::{Proof, StatusCode, Stop, bytes as shown, case, diverged};
use crate::keyvalue::cases::support::{CONDITIONAL, unlisted};
use crate::keyvalue::{Case, Ctx};

pub(super) const CASES: &[Case] = &[
    case!(
        "wire::a_failed_precondition_is_named_in_both_details",
        "Two details name each failing key with its version, one escaped and one in bytes.",
        ["ERR-1", "COND-1"],
        [Wire, CONDITIONAL],
        |c| {
            let version = c.put_one("k", "v").ok().await?.version()?;
            let every_byte: Vec<u8> = (0..=255).collect();
            let failing = [
                (b"k".to_vec(), version),
                (every_byte, 0),
                (br"back\slash".to_vec(), 0),
                (br"\x5c".to_vec(), 0),
                (br#"'single' "double""#.to_vec(), 0),
                (b"\xff\xfe\xab".to_vec(), 0),
                (b"...".to_vec(), 0),
            ];
            // One key at a time, and all together.
            for failing in failing.chunks(1).chain([&failing[..]]) {
                let answer = put_when(c, failing).await?;
                names_all(&answer, failing)?;
            }
            c.get().ok().await?.has_keys(&["k"])
        }
    ),
    case!(
        "wire::failed_preconditions_that_are_not_listed_are_counted",
        "Where failing preconditions do not fit into 6 KiB, an OVERFLOW says how many are not listed.",
        ["ERR-1"],
        [Wire, CONDITIONAL],
        |c| {
            let filled = |at: usize, byte: u8| [format!("{at:03}").into_bytes(), vec![byte; 1_021]].concat();
            let kinds: [&(dyn Fn(usize) -> Vec<u8> + Sync); 3] =
                [&|at| format!("k{at:02}").into_bytes(), &|at| filled(at, b'k'), &|at| filled(at, 0xFF)];
            for key in kinds {
                // The key of three dots looks like the overflow's subject, and is none.
                let keys = (1..100).map(key).map(|key| (key, 0));
                let failing: Vec<_> = [(b"...".to_vec(), 0)].into_iter().chain(keys).collect();
                names_all(&put_when(c, &failing).await?, &failing)?;
            }
            c.get().ok().await?.is_empty()
        }
    ),
    case!(
        "wire::violations_that_are_not_listed_are_counted",
        "A thousand violations fit into 6 KiB: the last one says how many are not listed.",
        ["ERR-1"],
        [Wire],
        |c| {
            let items = vec![bytes_field(3, bytes_field(2, "v")); 1_000].concat();
            let answer = put(c, &items).await?;
            let details = Details::of(&answer, InvalidArgument)?;
            let list = details.only("google.rpc.BadRequest")?;
            let fields: Option<Vec<_>> =
                list.iter().map(|violation| Some((text(violation, 1)?, text(violation, 2)?))).collect();
            let fields = fields.map_or_else(|| details.malformed("google.rpc.BadRequest"), Ok)?;
            let listed = fields.iter().filter(|(field, _)| field != "...").count();
            let last = fields.last().filter(|(field, _)| field == "...");
            let left = last.map(|(_, description)| description.as_str());
            let expected = unlisted(1_000_usize.saturating_sub(listed));
            answer.expect(
                left == Some(&expected),
                format!(
                    "after {listed} violations a last one of field '...' and description '{expected}' (ERR-1)"
                ),
                left.map_or_else(|| "none of field '...'".to_owned(), |left| format!("'{left}'")),
            )?;
            c.get().ok().await?.is_empty()
        }
    ),
];

/// Maximum bytes of the encoded google.rpc.Status: 6 KiB in base64.
const MAX_BYTES: usize = 6 * 1024 / 4 * 3;

/// A Put to record `r` whose preconditions all fail: each demands another version than the current one.
async fn put_when(c: &Ctx, failing: &[(Vec<u8>, i64)]) -> Result<HttpAnswer, Stop> {
    let conditions = failing.iter().map(|(key, current)| {
        let other = u64::try_from(current + 1).unwrap_or(1);
        bytes_field(6, [bytes_field(1, key), number_field(2, other)].concat())
    });
    let item = bytes_field(3, [bytes_field(1, "new"), bytes_field(2, "v")].concat());
    put(c, &conditions.fold(item, |put, condition| [put, condition].concat())).await
}

/// A Put with these fields to record `r`.
async fn put(c: &Ctx, fields: &[u8]) -> Result<HttpAnswer, Stop> {
    let message = [bytes_field(1, c.namespace("")), bytes_field(2, "r"), fields.to_vec()].concat();
    send(c, request(PUT, vec![Bytes::from(framed(&message))])).await
}

/// The decoded details of an answer.
struct Details<'a> {
    answer: &'a HttpAnswer,
    /// Full name and value of each.
    all: Vec<(String, Vec<u8>)>,
    encoded: usize,
}

impl<'a> Details<'a> {
    /// The details of a refusal with this status, which fit into the trailer.
    fn of(answer: &'a HttpAnswer, code: StatusCode) -> Result<Self, Stop> {
        let encoded = answer.as_ref().map(|answer| answer.details.clone()).unwrap_or_default();
        if encoded.is_empty() {
            return diverged(
                answer.step,
                format!("{code} with the trailer grpc-status-details-bin (ERR-1)"),
                format!("{}, without it", http_answer_text(answer)),
            );
        }
        let size = encoded.len();
        answer.expect(
            size <= MAX_BYTES,
            format!("details of at most {MAX_BYTES} bytes, 6 KiB in base64 (ERR-1)"),
            format!("{size} bytes"),
        )?;
        let all: Option<Vec<_>> = repeated(&encoded, 3).and_then(|any| {
            let named = any.into_iter().map(|any| {
                let url = text(any, 1)?;
                let name = url.rsplit('/').next().unwrap_or_default().to_owned();
                Some((name, repeated(any, 2)?.concat()))
            });
            named.collect()
        });
        let details = Self { answer, all: all.unwrap_or_default(), encoded: size };
        let number = number(&encoded, 1).and_then(|number| i32::try_from(number).ok());
        let actual = StatusCode::from_number(number.unwrap_or(-1));
        answer.expect(
            actual == code,
            format!("details of {code} (ERR-1)"),
            format!("{}, whose details say {actual}", http_answer_text(answer)),
        )?;
        Ok(details)
    }

    /// The elements of the only detail with this name, whose first field is a list.
    fn only(&self, name: &str) -> Result<Vec<&[u8]>, Stop> {
        match self.named(name)[..] {
            [value] => repeated(value, 1).map_or_else(|| self.malformed(name), Ok),
            [] => {
                let present: Vec<_> = self.all.iter().map(|(name, _)| name.as_str()).collect();
                let actual = format!("grpc-status-details-bin lacks {name}; it holds {}", present.join(", "));
                diverged(self.answer.step, format!("a detail {name} (ERR-1)"), actual)
            }
            [_, _, ..] => {
                diverged(self.answer.step, format!("one detail {name} (ERR-1)"), "more than one of it")
            }
        }
    }

    fn named(&self, name: &str) -> Vec<&[u8]> {
        self.all.iter().filter(|(of, _)| of == name).map(|(_, value)| value.as_slice()).collect()
    }

    fn malformed<T>(&self, name: &str) -> Result<T, Stop> {
        diverged(self.answer.step, format!("a detail {name} (ERR-1)"), format!("bytes that are not a {name}"))
    }
}

/// More than the rest of a detail: the prefix of its type, and lengths. A server need not know it to the byte.
const FRAMING: usize = 100;

const STANDARD: &str = "google.rpc.PreconditionFailure";
const TYPED: &str = "prism.common.FailedPreconditions";

/// The answer must be a FAILED_PRECONDITION that names `failing`, keys with their current versions, as ERR-1 says.
fn names_all(answer: &HttpAnswer, failing: &[(Vec<u8>, i64)]) -> Proof {
    let details = Details::of(answer, FailedPrecondition)?;
    let violations: Option<Vec<_>> = details.only(STANDARD)?.into_iter().map(Violation::read).collect();
    let mut violations = violations.map_or_else(|| details.malformed(STANDARD), Ok)?;
    // By its type or, of the wrong type, by its words: the failure then says which type is right.
    let overflow = violations
        .pop_if(|last| last.kind == "OVERFLOW" || last.description.ends_with("violations are not listed"));
    let expected: Vec<_> = failing.iter().map(|(key, version)| Violation::of(key, *version)).collect();
    for (at, actual) in violations.iter().enumerate() {
        let expected = expected.get(at);
        let shown = expected.map_or_else(|| "none".to_owned(), Violation::text);
        let what = format!("violation {at} of {STANDARD}: {shown} (ERR-1)");
        answer.expect(expected == Some(actual), what, actual.text())?;
    }
    let left = expected.len() - violations.len();
    if left > 0 || overflow.is_some() {
        // VERSION is allowed, too: servers used it before OVERFLOW was named.
        let kind = overflow.as_ref().map(|last| last.kind.as_str()).filter(|kind| *kind == "VERSION");
        let kind = kind.unwrap_or("OVERFLOW").to_owned();
        let rest = Violation { kind, subject: "...".to_owned(), description: unlisted(left) };
        let actual = overflow.as_ref().map_or_else(|| "no violation".to_owned(), Violation::text);
        let expected = format!("after {} violations the last one {} (ERR-1)", violations.len(), rest.text());
        answer.expect(left > 0 && overflow.as_ref() == Some(&rest), expected, actual)?;
    }
    names_all_in_bytes(&details, failing, left == 0)
}

/// The typed detail names all of `failing`; it is left out only where it does not fit, or the other list is cut.
fn names_all_in_bytes(details: &Details<'_>, failing: &[(Vec<u8>, i64)], all_listed: bool) -> Proof {
    let size: usize = failing.iter().map(|(key, version)| typed(key, *version).len()).sum();
    let fits = details.encoded + size + TYPED.len() + FRAMING <= MAX_BYTES;
    if details.named(TYPED).is_empty() && !(all_listed && fits) {
        return Ok(());
    }
    let read = details
        .only(TYPED)?
        .into_iter()
        .map(|failed| Some((repeated(failed, 1)?.concat(), i64::try_from(number(failed, 2)?).ok()?)));
    let read: Option<Vec<_>> = read.collect();
    let read = read.map_or_else(|| details.malformed(TYPED), Ok)?;
    let show = |failed: Option<&(Vec<u8>, i64)>| {
        failed.map_or("no more".to_owned(), |(key, version)| format!("{} at version {version}", shown(key)))
    };
    let differ = (0..failing.len().max(read.len())).find(|at| failing.get(*at) != read.get(*at));
    differ.map_or(Ok(()), |at| {
        let expected = format!("{TYPED}, element {at}: {} (ERR-1)", show(failing.get(at)));
        diverged(details.answer.step, expected, show(read.get(at)))
    })
}

/// An element of the typed detail.
fn typed(key: &[u8], version: i64) -> Vec<u8> {
    let version = number_field(2, u64::try_from(version).unwrap_or_default());
    bytes_field(1, [bytes_field(1, key), version].concat())
}

/// A violation of google.rpc.PreconditionFailure.
#[derive(PartialEq, Eq)]
struct Violation {
    kind: String,
    subject: String,
    description: String,
}

impl Violation {
    fn of(key: &[u8], version: i64) -> Self {
        let description = format!("current version {version}");
        Self { kind: "VERSION".to_owned(), subject: escaped(key), description }
    }

    fn read(message: &[u8]) -> Option<Self> {
        let [kind, subject, description] = [text(message, 1)?, text(message, 2)?, text(message, 3)?];
        Some(Self { kind, subject, description })
    }

    fn text(&self) -> String {
        /// Characters of a subject that are shown.
        const SHOWN: usize = 80;
        let mut subject: String = self.subject.chars().take(SHOWN).collect();
        if subject.len() < self.subject.len() {
            subject.push('…');
        }
        format!("{{type: {}, subject: {subject}, description: {}}}", self.kind, self.description)
    }
}

/// A key in printable ASCII, as the contract escapes it.
fn escaped(key: &[u8]) -> String {
    let each = key.iter().map(|&byte| match byte {
        b'\n' => r"\n".to_owned(),
        b'\r' => r"\r".to_owned(),
        b'\t' => r"\t".to_owned(),
        b'\\' | b'\'' | b'"' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    });
    each.collect()
}
