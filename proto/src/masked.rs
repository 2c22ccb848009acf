//! What `Debug` shows in place of a field marked `mask_in_logs`: its size, never its content (ERR-2).

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};

use prism_mutants::seeded;

/// A value whose bytes stay out of logs.
pub(crate) struct Masked<T>(pub(crate) T);

impl<T: AsRef<[u8]>> Debug for Masked<T> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if seeded("masking/masks-strings-and-no-bytes") && std::any::type_name::<T>().ends_with("Bytes") {
            return write!(formatter, "{}", self.0.as_ref().escape_ascii());
        }
        write!(formatter, "<{} bytes>", self.0.as_ref().len())
    }
}

/// A list of values whose bytes stay out of logs.
pub(crate) struct MaskedList<'a, T>(pub(crate) &'a [T]);

impl<T: AsRef<[u8]>> Debug for MaskedList<'_, T> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(Masked)).finish()
    }
}

/// A map whose keys and values stay out of logs.
pub(crate) struct MaskedMap<'a, K, V>(pub(crate) &'a BTreeMap<K, V>);

impl<K, V> Debug for MaskedMap<'_, K, V> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "<{} entries>", self.0.len())
    }
}
