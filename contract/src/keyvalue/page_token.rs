//! Page tokens: where a page ended, sealed to the request it belongs to (PAGE-4, PAGE-6).
//!
//! A token is `version, tag, position`. The tag is a keyless hash of the position and of everything the token is bound
//! to, so a token of another request, or a damaged one, does not open. It needs no state and no secret: it works after a
//! restart and at another gateway. It gives no rights either, so forging one gains nothing.

use std::hash::Hasher;

use bytes::Bytes;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::{Direction, Invalid, Key, Namespace, Position, Predicate, RecordId};

const VERSION: u8 = 1;
const TAG: usize = 16;

/// What a page token is bound to: method, namespace, id, predicate and direction, but no limits.
#[derive(Clone)]
pub struct TokenScope(SipHasher13);

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
        let mut hash = SipHasher13::new();
        hash.write_u8(method);
        hash.write_u8(match direction {
            Direction::Forward => b'f',
            Direction::Reverse => b'r',
        });
        write_field(&mut hash, namespace.as_str().as_bytes());
        write_field(&mut hash, id.map_or("", RecordId::as_str).as_bytes());
        match predicate {
            Predicate::All => hash.write_u8(b'a'),
            Predicate::Keys(keys) => {
                hash.write_u8(b'k');
                for key in keys {
                    write_field(&mut hash, key);
                }
            }
            Predicate::Range { start, end } => {
                hash.write_u8(b'r');
                write_field(&mut hash, start);
                write_field(&mut hash, end);
            }
            Predicate::Prefix(prefix) => {
                hash.write_u8(b'p');
                write_field(&mut hash, prefix);
            }
        }
        Self(hash)
    }

    /// The token of a page that ended with `key` of record `id`.
    pub fn seal(&self, id: &RecordId, key: &Key) -> Bytes {
        let id = id.as_str().as_bytes();
        let mut token = Vec::with_capacity(1 + TAG + 2 + id.len() + key.len());
        token.push(VERSION);
        token.extend([0; TAG]);
        let id_len = u16::try_from(id.len()).expect("an id is at most 512 bytes");
        token.extend(id_len.to_le_bytes());
        token.extend(id);
        token.extend(key.as_bytes());
        let tag = self.tag(&token[1 + TAG..]);
        token[1..=TAG].copy_from_slice(&tag);
        token.into()
    }

    /// Where the page that `token` was given for ended; `None` for an empty token: the first page.
    pub fn open(&self, token: &[u8]) -> Result<Option<Position>, Invalid> {
        if token.is_empty() {
            return Ok(None);
        }
        self.position(token).map(Some).ok_or_else(|| {
            Invalid::new(
                "is not a token of this method, namespace, id, predicate and direction; \
                 pass the token of the page before, unchanged",
            )
        })
    }

    fn position(&self, token: &[u8]) -> Option<Position> {
        let (&version, rest) = token.split_first()?;
        let (tag, sealed) = rest.split_at_checked(TAG)?;
        if version != VERSION || tag != self.tag(sealed) {
            return None;
        }
        let (id_len, rest) = sealed.split_first_chunk::<2>()?;
        let (id, key) = rest.split_at_checked(usize::from(u16::from_le_bytes(*id_len)))?;
        Some(Position {
            id: RecordId::new(std::str::from_utf8(id).ok()?).ok()?,
            key: Key::new(Bytes::copy_from_slice(key)).ok()?,
        })
    }

    fn tag(&self, sealed: &[u8]) -> [u8; TAG] {
        let mut hash = self.0;
        write_field(&mut hash, sealed);
        hash.finish128().as_bytes()
    }
}

/// Length first, so that no two lists of fields hash the same bytes.
fn write_field(hash: &mut SipHasher13, bytes: &[u8]) {
    hash.write(&(bytes.len() as u64).to_le_bytes());
    hash.write(bytes);
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

    /// Why a token that belongs elsewhere, or nowhere, is refused.
    fn foreign() -> Result<Option<Position>, Invalid> {
        Err(Invalid::new(
            "is not a token of this method, namespace, id, predicate and direction; \
             pass the token of the page before, unchanged",
        ))
    }

    fn prefix(bytes: &'static [u8]) -> Predicate {
        Predicate::prefix(Bytes::from_static(bytes)).unwrap()
    }

    #[test]
    fn a_token_opens_in_its_own_scope_only() {
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
            assert_eq!(other.open(&token), foreign());
        }
    }

    #[test]
    fn a_damaged_token_is_refused_whichever_byte_is_changed_or_lost() {
        let scope = TokenScope::scan(&namespace("a"), None, &prefix(b"p"), Direction::Forward);
        let token = scope.seal(&id("b"), &key(b"pq"));
        for at in 0..token.len() {
            let mut damaged = token.to_vec();
            damaged[at] ^= 1;
            assert_eq!(scope.open(&damaged), foreign(), "byte {at} changed");
            if at > 0 {
                assert_eq!(scope.open(&token[..at]), foreign(), "cut at {at}");
            }
        }
    }

    #[test]
    fn a_token_outlives_the_process_that_gave_it() {
        let scope = TokenScope::get(&namespace("a"), &id("b"), &Predicate::All, Direction::Forward);
        let token = scope.seal(&id("b"), &key(b"c"));
        assert_eq!(token[..4], [1, 55, 106, 134], "the format of tokens changed: raise VERSION");
    }
}
