//! Verifiable values: each contains the number of its record (and item), a sequence number, and filler derived from both.

use bytes::{BufMut, Bytes, BytesMut};

/// Length of the header of every value: record and sequence number.
pub const HEADER: usize = 16;

/// Distance between item numbers of a record, so that one number identifies record and item.
const ITEM_STRIDE: u64 = 1 << 40;

/// The number of a record's item; item 0 has its record's number.
pub fn number_of(record: u64, item: u32) -> u64 {
    record + u64::from(item) * ITEM_STRIDE
}

fn describe(number: u64) -> String {
    match number / ITEM_STRIDE {
        0 => format!("record r{number}"),
        item => format!("record r{} item {item}", number % ITEM_STRIDE),
    }
}

/// Range of value lengths, in bytes. A value's length is derived from its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    min: usize,
    max: usize,
}

impl Sizes {
    /// Values of `min` to `max` bytes.
    ///
    /// # Errors
    /// The allowed values.
    pub fn new(min: usize, max: usize) -> Result<Self, String> {
        const LIMIT: usize = 1 << 20;
        if min < HEADER || max > LIMIT || max < min {
            return Err(format!(
                "a value has {HEADER} to {LIMIT} bytes, of which the first {HEADER} identify its record; write N or MIN..MAX"
            ));
        }
        Ok(Self { min, max })
    }

    /// The maximum length.
    pub fn max(&self) -> usize {
        self.max
    }

    /// The value of `record` with this sequence number.
    pub fn make(&self, record: u64, sequence: u64) -> Bytes {
        let length = self.length(record, sequence);
        let mut value = BytesMut::with_capacity(length + 8);
        value.put_u64(record);
        value.put_u64(sequence);
        let mut state = splitmix64(record ^ sequence.rotate_left(32));
        while value.len() < length {
            value.put_u64(state);
            state = next(state);
        }
        value.truncate(length);
        value.freeze()
    }

    /// Verifies that `value` was made for `record`, and returns its sequence number.
    ///
    /// # Errors
    /// The defect of the value.
    pub fn check(&self, record: u64, value: &[u8]) -> Result<u64, String> {
        let Some((header, filler)) = value.split_first_chunk::<HEADER>() else {
            return Err(format!(
                "{}: the value has {} bytes, fewer than its header",
                describe(record),
                value.len()
            ));
        };
        let (owner, sequence) = split_header(*header);
        if owner != record {
            return Err(format!("{}: the value belongs to {}", describe(record), describe(owner)));
        }
        let length = self.length(record, sequence);
        if value.len() != length {
            return Err(format!(
                "{}: value {sequence} has {} bytes but was written with {length}",
                describe(record),
                value.len()
            ));
        }
        let mut state = splitmix64(record ^ sequence.rotate_left(32));
        for (at, chunk) in filler.chunks(8).enumerate() {
            if *chunk != state.to_be_bytes()[..chunk.len()] {
                return Err(format!(
                    "{}: value {sequence} is damaged within 8 bytes of byte {}",
                    describe(record),
                    HEADER + 8 * at
                ));
            }
            state = next(state);
        }
        Ok(sequence)
    }

    fn length(&self, record: u64, sequence: u64) -> usize {
        let span = (self.max - self.min + 1) as u64;
        // Below 2^20, as checked by `new`.
        self.min + usize::try_from(splitmix64(record.wrapping_add(sequence)) % span).unwrap_or_default()
    }
}

fn split_header(header: [u8; HEADER]) -> (u64, u64) {
    let both = u128::from_be_bytes(header);
    #[expect(clippy::cast_possible_truncation, reason = "truncation selects the lower half")]
    ((both >> 64) as u64, both as u64)
}

/// The finalizer of splitmix64: adjacent inputs give uncorrelated outputs.
pub(crate) fn splitmix64(number: u64) -> u64 {
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
    fn a_value_is_valid_for_its_record_and_returns_its_sequence_number() {
        for sequence in 0..500 {
            let value = sizes().make(7, sequence);
            assert!((16..=300).contains(&value.len()));
            assert_eq!(sizes().check(7, &value), Ok(sequence));
        }
    }

    #[test]
    fn the_value_of_another_record_is_detected() {
        let why = sizes().check(8, &sizes().make(7, 1)).unwrap_err();
        assert_eq!(why, "record r8: the value belongs to record r7");
    }

    #[test]
    fn the_value_of_another_item_is_detected() {
        let why = sizes().check(number_of(7, 2), &sizes().make(number_of(7, 1), 1)).unwrap_err();
        assert_eq!(why, "record r7 item 2: the value belongs to record r7 item 1");
    }

    #[test]
    fn any_flipped_byte_is_detected() {
        let sizes = Sizes::new(101, 101).unwrap();
        let value = sizes.make(7, 9);
        for at in 0..value.len() {
            let mut damaged = value.to_vec();
            damaged[at] ^= 1;
            assert!(sizes.check(7, &damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_truncated_or_extended_value_is_detected() {
        let value = sizes().make(7, 9);
        for length in 0..value.len() {
            assert!(sizes().check(7, &value[..length]).is_err(), "{length} bytes");
        }
        let mut longer = value.to_vec();
        longer.push(0);
        let length = value.len();
        let why = format!("record r7: value 9 has {} bytes but was written with {length}", length + 1);
        assert_eq!(sizes().check(7, &longer), Err(why));
    }

    #[test]
    fn errors_about_invalid_sizes_show_the_allowed_range() {
        for (min, max) in [(15, 100), (100, 99), (16, (1 << 20) + 1)] {
            assert!(Sizes::new(min, max).unwrap_err().contains("16 to 1048576"));
        }
    }
}
