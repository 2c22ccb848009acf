//! Page tokens: the end position of a page, bound to its request (PAGE-4, PAGE-6).
//!
//! A token is `version, tag, position`. The tag is a keyless hash of the position and of everything the token is bound
//! to, so a token of another request, or a damaged one, is rejected. It needs no state and no secret: it works after a
//! restart and at another gateway. It grants no rights, so forging one gains nothing.

use std::hash::Hasher;

use bytes::Bytes;
use siphasher::sip128::{Hasher128, SipHasher13};

const VERSION: u8 = 1;
const TAG: usize = 16;

/// The scope that a page token is bound to. Two scopes are equal if they were built by the same calls.
#[derive(Clone)]
pub(crate) struct Seal(SipHasher13);

impl Seal {
    /// The scope of a method, identified by a unique byte.
    pub(crate) fn of_method(method: u8) -> Self {
        let mut seal = Self(SipHasher13::new());
        seal.kind(method);
        seal
    }

    /// Binds to a kind, as one byte.
    pub(crate) fn kind(&mut self, kind: u8) {
        self.0.write_u8(kind);
    }

    /// Binds to a field's bytes.
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        write_field(&mut self.0, bytes);
    }

    /// The token of a page that ended at `position`.
    pub(crate) fn seal(&self, position: &[&[u8]]) -> Bytes {
        let mut token = Vec::with_capacity(1 + TAG + position.iter().map(|part| part.len()).sum::<usize>());
        token.push(VERSION);
        token.extend([0; TAG]);
        for part in position {
            token.extend_from_slice(part);
        }
        let tag = self.tag(&token[1 + TAG..]);
        token[1..=TAG].copy_from_slice(&tag);
        token.into()
    }

    /// The position in `token`; `None` if it is not a token of this scope.
    pub(crate) fn open<'a>(&self, token: &'a [u8]) -> Option<&'a [u8]> {
        let (&version, rest) = token.split_first()?;
        let (tag, sealed) = rest.split_at_checked(TAG)?;
        (version == VERSION && tag == self.tag(sealed)).then_some(sealed)
    }

    fn tag(&self, sealed: &[u8]) -> [u8; TAG] {
        let mut hash = self.0;
        write_field(&mut hash, sealed);
        hash.finish128().as_bytes()
    }
}

/// Length prefix: no two lists of fields hash the same bytes.
fn write_field(hash: &mut SipHasher13, bytes: &[u8]) {
    hash.write(&(bytes.len() as u64).to_le_bytes());
    hash.write(bytes);
}
