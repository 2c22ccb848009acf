//! Wakes the Tails of a process when events are appended. Series share a fixed number of buckets: waiting takes no memory and
//! no lock, and an Append wakes few Tails of other series, which look and wait again.

use std::hash::Hasher;

use prism_contract::Namespace;
use prism_contract::timeseries::{Append, Series, Tail};
use siphasher::sip::SipHasher13;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Number of buckets.
const BUCKETS: u16 = 1_024;
const WORDS: usize = BUCKETS as usize / 64;

/// The Tails that wait, by bucket.
pub(crate) struct Wakes(Box<[Notify]>);

/// A set of buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Buckets([u64; WORDS]);

impl Default for Wakes {
    fn default() -> Self {
        Self((0..BUCKETS).map(|_| Notify::new()).collect())
    }
}

impl Wakes {
    /// Completes once an event of the Tail was appended after this future was enabled, or one of another series in its bucket.
    pub(crate) fn of(&self, tail: &Tail) -> Notified<'_> {
        self.0[usize::from(bucket(&tail.namespace, tail.series.as_ref()))].notified()
    }

    /// Wakes the Tails in these buckets.
    pub(crate) fn wake(&self, buckets: &Buckets) {
        for bucket in buckets.iter() {
            self.0[usize::from(bucket)].notify_waiters();
        }
    }
}

impl Buckets {
    /// Every bucket.
    pub(crate) const ALL: Self = Self([u64::MAX; WORDS]);

    /// Adds the buckets of an Append: those of its series, and of its namespace.
    pub(crate) fn insert(&mut self, append: &Append) {
        self.set(bucket(&append.namespace, None));
        for event in &append.events {
            self.set(bucket(&append.namespace, Some(&event.series)));
        }
    }

    /// Adds those of another set.
    #[cfg(feature = "postgres")]
    pub(crate) fn insert_all(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word |= other;
        }
    }

    /// Whether there are none.
    #[cfg(feature = "postgres")]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// As text: three digits for each, at most 3,072 characters.
    #[cfg(feature = "postgres")]
    pub(crate) fn to_text(self) -> String {
        use std::fmt::Write;
        self.iter().fold(String::new(), |mut text, bucket| {
            // Writing to a String does not fail.
            let _ = write!(text, "{bucket:03x}");
            text
        })
    }

    /// Reads the text; `None`: it is of another form.
    #[cfg(feature = "postgres")]
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (numbers, rest) = text.as_bytes().as_chunks::<3>();
        let mut buckets = Self::default();
        for number in numbers {
            let number = u16::from_str_radix(std::str::from_utf8(number).ok()?, 16).ok()?;
            buckets.set(Some(number).filter(|number| *number < BUCKETS)?);
        }
        rest.is_empty().then_some(buckets)
    }

    fn set(&mut self, bucket: u16) {
        self.0[usize::from(bucket / 64)] |= 1 << (bucket % 64);
    }

    fn iter(&self) -> impl Iterator<Item = u16> {
        (0..BUCKETS).filter(|bucket| self.0[usize::from(bucket / 64)] >> (bucket % 64) & 1 == 1)
    }
}

/// The bucket of the Tails of a series, or of a whole namespace. All gateways on a database compute the same.
fn bucket(namespace: &Namespace, series: Option<&Series>) -> u16 {
    let mut hasher = SipHasher13::new();
    hasher.write(namespace.as_str().as_bytes());
    // A namespace has no NUL, so no two Tails hash the same bytes.
    hasher.write_u8(0);
    hasher.write(series.map_or("", Series::as_str).as_bytes());
    u16::try_from(hasher.finish() % u64::from(BUCKETS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "postgres")]
    #[test]
    fn buckets_read_back_from_their_text() {
        let mut some = Buckets::default();
        for bucket in [0, 63, 64, 500, 1_023] {
            some.set(bucket);
        }
        assert_eq!(some.to_text(), "00003f0401f43ff");
        for buckets in [Buckets::default(), some, Buckets::ALL] {
            assert_eq!(Buckets::from_text(&buckets.to_text()), Some(buckets));
        }
        for bad in ["00", "400", "xyz", "0000"] {
            assert_eq!(Buckets::from_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_series_and_its_namespace_have_a_bucket_each() {
        let (one, other) = (Namespace::new("a").unwrap(), Namespace::new("b").unwrap());
        let series = Series::new("s").unwrap();
        let of = [bucket(&one, None), bucket(&one, Some(&series)), bucket(&other, Some(&series))];
        assert!(of[0] != of[1] && of[1] != of[2] && of[0] != of[2], "{of:?}");
    }
}
