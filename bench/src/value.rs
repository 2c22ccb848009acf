//! Values that can be checked: each carries the number of its record (and item), a sequence number, and filler derived
//! from both.

use bytes::{BufMut, Bytes, BytesMut};

/// The bytes of record and sequence number, which every value begins with.
pub const HEADER: usize = 16;

/// Items of one record lie this far apart, so that one number names record and item.
const ITEM: u64 = 1 << 40;

/// The number of a record's item; item 0 has the number of its record.
pub fn number_of(record: u64, item: u32) -> u64 {
    record + u64::from(item) * ITEM
}

fn named(number: u64) -> String {
    match number / ITEM {
        0 => format!("record r{number}"),
        item => format!("record r{} item {item}", number % ITEM),
    }
}

/// The lengths that values have, in bytes. Each value's own is derived from its header too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    least: usize,
    most: usize,
}

impl Sizes {
    /// Values of `least` to `most` bytes.
    ///
    /// # Errors
    /// Says what is allowed.
    pub fn new(least: usize, most: usize) -> Result<Self, String> {
        const MOST: usize = 1 << 20;
        if least < HEADER || most > MOST || most < least {
            return Err(format!(
                "a value has {HEADER} to {MOST} bytes: the first {HEADER} say which record it is of; write N or MIN..MAX"
            ));
        }
        Ok(Self { least, most })
    }

    /// The longest.
    pub fn most(&self) -> usize {
        self.most
    }

    /// The value of `record` with this sequence number.
    pub fn make(&self, record: u64, sequence: u64) -> Bytes {
        let length = self.length(record, sequence);
        let mut value = BytesMut::with_capacity(length + 8);
        value.put_u64(record);
        value.put_u64(sequence);
        let mut state = mixed(record ^ sequence.rotate_left(32));
        while value.len() < length {
            value.put_u64(state);
            state = next(state);
        }
        value.truncate(length);
        value.freeze()
    }

    /// Whether `value` is one that was made for `record`; its sequence number.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(&self, record: u64, value: &[u8]) -> Result<u64, String> {
        let Some((header, filler)) = value.split_first_chunk::<HEADER>() else {
            return Err(format!(
                "{}: the value has {} bytes, fewer than its header",
                named(record),
                value.len()
            ));
        };
        let (of, sequence) = halves(*header);
        if of != record {
            return Err(format!("{}: the value is one of {}", named(record), named(of)));
        }
        let length = self.length(record, sequence);
        if value.len() != length {
            return Err(format!(
                "{}: value {sequence} has {} bytes and was written with {length}",
                named(record),
                value.len()
            ));
        }
        let mut state = mixed(record ^ sequence.rotate_left(32));
        for (at, chunk) in filler.chunks(8).enumerate() {
            if *chunk != state.to_be_bytes()[..chunk.len()] {
                return Err(format!(
                    "{}: value {sequence} is damaged within 8 bytes of byte {}",
                    named(record),
                    HEADER + 8 * at
                ));
            }
            state = next(state);
        }
        Ok(sequence)
    }

    fn length(&self, record: u64, sequence: u64) -> usize {
        let span = (self.most - self.least + 1) as u64;
        // Below 2^20, as `new` sees to.
        self.least + usize::try_from(mixed(record.wrapping_add(sequence)) % span).unwrap_or_default()
    }
}

fn halves(header: [u8; HEADER]) -> (u64, u64) {
    let both = u128::from_be_bytes(header);
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
    ((both >> 64) as u64, both as u64)
}

/// The finalizer of splitmix64: neighbouring numbers give values that have nothing in common.
pub(crate) fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn next(state: u64) -> u64 {
    state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes() -> Sizes {
        Sizes::new(16, 300).unwrap()
    }

    #[test]
    fn a_value_passes_for_its_own_record_and_says_its_sequence_number() {
        for sequence in 0..500 {
            let value = sizes().make(7, sequence);
            assert!((16..=300).contains(&value.len()));
            assert_eq!(sizes().check(7, &value), Ok(sequence));
        }
    }

    #[test]
    fn another_records_value_is_caught() {
        let why = sizes().check(8, &sizes().make(7, 1)).unwrap_err();
        assert_eq!(why, "record r8: the value is one of record r7");
    }

    #[test]
    fn another_items_value_is_caught() {
        let why = sizes().check(number_of(7, 2), &sizes().make(number_of(7, 1), 1)).unwrap_err();
        assert_eq!(why, "record r7 item 2: the value is one of record r7 item 1");
    }

    #[test]
    fn any_flipped_byte_is_caught() {
        let sizes = Sizes::new(101, 101).unwrap();
        let value = sizes.make(7, 9);
        for at in 0..value.len() {
            let mut damaged = value.to_vec();
            damaged[at] ^= 1;
            assert!(sizes.check(7, &damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_value_cut_short_or_too_long_is_caught() {
        let value = sizes().make(7, 9);
        for length in 0..value.len() {
            assert!(sizes().check(7, &value[..length]).is_err(), "{length} bytes");
        }
        let mut longer = value.to_vec();
        longer.push(0);
        let length = value.len();
        let why = format!("record r7: value 9 has {} bytes and was written with {length}", length + 1);
        assert_eq!(sizes().check(7, &longer), Err(why));
    }

    #[test]
    fn sizes_that_cannot_be_say_what_is_allowed() {
        for (least, most) in [(15, 100), (100, 99), (16, (1 << 20) + 1)] {
            assert!(Sizes::new(least, most).unwrap_err().contains("16 to 1048576"));
        }
    }
}
