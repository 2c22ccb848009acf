//! KeyValue's page tokens: the scope that they are bound to, and the position that they hold.

use bytes::Bytes;

use super::{Direction, Key, Limits, Position, Predicate, RecordId};
use crate::common::Seal;
use crate::{Invalid, Namespace};

/// The scope of a page token: method, namespace, id, predicate and direction, but no limits.
#[derive(Clone)]
pub struct TokenScope(Seal);

impl TokenScope {
    /// The scope of a Get.
    pub fn get(namespace: &Namespace, id: &RecordId, predicate: &Predicate, direction: Direction) -> Self {
        Self::new(b'G', namespace, Some(id), predicate, direction)
    }

    /// The scope of a Scan; `id` is `None` for a whole namespace.
    pub fn scan(
        namespace: &Namespace,
        id: Option<&RecordId>,
        predicate: &Predicate,
        direction: Direction,
    ) -> Self {
        Self::new(b'S', namespace, id, predicate, direction)
    }

    fn new(
        method: u8,
        namespace: &Namespace,
        id: Option<&RecordId>,
        predicate: &Predicate,
        direction: Direction,
    ) -> Self {
        let mut seal = Seal::of_method(method);
        seal.kind(match direction {
            Direction::Forward => b'f',
            Direction::Reverse => b'r',
        });
        seal.field(namespace.as_str().as_bytes());
        seal.field(id.map_or("", RecordId::as_str).as_bytes());
        match predicate {
            Predicate::All => seal.kind(b'a'),
            Predicate::Keys(keys) => {
                seal.kind(b'k');
                for key in keys {
                    seal.field(key);
                }
            }
            Predicate::Range { start, end } => {
                seal.kind(b'r');
                seal.field(start);
                seal.field(end);
            }
            Predicate::Prefix(prefix) => {
                seal.kind(b'p');
                seal.field(prefix);
            }
        }
        Self(seal)
    }

    /// The token of a page that ended with `key` of record `id`.
    pub fn seal(&self, id: &RecordId, key: &Key) -> Bytes {
        let id = id.as_str().as_bytes();
        let id_len = u16::try_from(id.len()).expect("an id is at most 512 bytes");
        self.0.seal(&[&id_len.to_le_bytes(), id, key])
    }

    /// The position in `token`, the end of its page; `None` for an empty token: the first page.
    pub fn open(&self, token: &[u8]) -> Result<Option<Position>, Invalid> {
        if token.is_empty() {
            return Ok(None);
        }
        // Before the token is hashed: it may be as large as a request.
        if token.len() > Limits::TOKEN_BYTES {
            return Err(Invalid::length(token.len(), 0, Limits::TOKEN_BYTES));
        }
        self.0.open(token).and_then(position).map(Some).ok_or_else(|| {
            Invalid::new(
                "is not a token of this method, namespace, id, predicate and direction; \
                 pass the token of the previous page, unchanged",
            )
        })
    }
}

fn position(sealed: &[u8]) -> Option<Position> {
    let (id_len, rest) = sealed.split_first_chunk::<2>()?;
    let (id, key) = rest.split_at_checked(usize::from(u16::from_le_bytes(*id_len)))?;
    Some(Position {
        id: RecordId::new(std::str::from_utf8(id).ok()?).ok()?,
        key: Key::new(Bytes::copy_from_slice(key)).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(text: &str) -> Namespace {
        Namespace::new(text).unwrap()
    }

    fn id(text: &str) -> RecordId {
        RecordId::new(text).unwrap()
    }

    fn key(bytes: &'static [u8]) -> Key {
        Key::new(bytes).unwrap()
    }

    /// The refusal of a token of another scope, or of a damaged one.
    fn refused() -> Result<Option<Position>, Invalid> {
        Err(Invalid::new(
            "is not a token of this method, namespace, id, predicate and direction; \
             pass the token of the previous page, unchanged",
        ))
    }

    fn prefix(bytes: &'static [u8]) -> Predicate {
        Predicate::prefix(Bytes::from_static(bytes)).unwrap()
    }

    #[test]
    fn a_token_opens_in_its_scope_only() {
        let scope = TokenScope::get(&namespace("a"), &id("b"), &Predicate::All, Direction::Forward);
        let token = scope.seal(&id("b"), &key(b"\xff\0"));
        let position = Position { id: id("b"), key: key(b"\xff\0") };
        assert_eq!(scope.open(&token), Ok(Some(position)));
        let others = [
            TokenScope::get(&namespace("ab"), &id("b"), &Predicate::All, Direction::Forward),
            TokenScope::get(&namespace("a"), &id("c"), &Predicate::All, Direction::Forward),
            TokenScope::get(&namespace("a"), &id("b"), &prefix(b""), Direction::Forward),
            TokenScope::get(&namespace("a"), &id("b"), &Predicate::All, Direction::Reverse),
            TokenScope::scan(&namespace("a"), Some(&id("b")), &Predicate::All, Direction::Forward),
        ];
        for other in others {
            assert_eq!(other.open(&token), refused());
        }
    }

    #[test]
    fn a_token_with_any_byte_changed_or_cut_off_is_refused() {
        let scope = TokenScope::scan(&namespace("a"), None, &prefix(b"p"), Direction::Forward);
        let token = scope.seal(&id("b"), &key(b"pq"));
        for at in 0..token.len() {
            let mut damaged = token.to_vec();
            damaged[at] ^= 1;
            assert_eq!(scope.open(&damaged), refused(), "byte {at} changed");
            if at > 0 {
                assert_eq!(scope.open(&token[..at]), refused(), "cut at {at}");
            }
        }
    }

    #[test]
    fn a_token_that_is_too_long_is_refused_by_its_length() {
        let scope = TokenScope::scan(&namespace("a"), None, &Predicate::All, Direction::Forward);
        assert_eq!(scope.open(&[1; 4_096]), refused());
        assert_eq!(scope.open(&[1; 4_097]), Err(Invalid::new("is 4097 bytes; 0 to 4096 are allowed")));
    }

    #[test]
    fn a_token_is_the_same_in_every_process() {
        let scope = TokenScope::get(&namespace("a"), &id("b"), &Predicate::All, Direction::Forward);
        let token = scope.seal(&id("b"), &key(b"c"));
        assert_eq!(token[..4], [1, 55, 106, 134], "the format of tokens changed: raise VERSION");
    }
}
