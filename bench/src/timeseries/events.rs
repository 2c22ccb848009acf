//! The events of the benchmark: each is a function of its number, so that every answer can be checked.

use bytes::{BufMut as _, Bytes, BytesMut};

/// The time of event 0: 2023-11-14, in microseconds since the Unix epoch.
const START: i64 = 1_700_000_000_000_000;
/// Spreads consecutive Appends over the series. A prime: no series is left out.
const STRIDE: u64 = 7_919;

/// Events of a series once it is full, which a Query reads.
pub const FULL: u64 = 1_000;

/// Which events there are, and of which series.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Events per Append.
    pub batch: u64,
    /// Bytes per payload, at least 8.
    pub payload: usize,
    /// Number of series that an Append writes to.
    pub spread: u64,
    /// Appends and series of each level: at its end, each of its series has [`FULL`] events.
    blocks: Vec<Block>,
}

/// The Appends from one level to the next, and their series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    start: u64,
    end: u64,
    first: u64,
    series: u64,
}

/// The events of one Append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// The number of the first event.
    pub first: u64,
    /// The number of events.
    pub count: u64,
}

impl Layout {
    /// The layout for these levels, in events: each new level fills further series, of which there are at most `max_series`.
    ///
    /// # Errors
    /// A level is not above the one before, or not a multiple of a full series.
    pub fn new(
        levels: &[u64],
        max_series: u64,
        batch: u64,
        payload: usize,
        spread: u64,
    ) -> Result<Self, String> {
        let (mut blocks, mut events, mut series) = (Vec::new(), 0, 0);
        for &level in levels {
            let whole = FULL * batch;
            if level <= events || !level.is_multiple_of(whole) {
                return Err(format!("the numbers of events have to grow, by multiples of {whole}"));
            }
            let all = (level / FULL).min(max_series);
            // Where there is no further series, all of them go on.
            let first = if all > series { series } else { 0 };
            blocks.push(Block { start: events / batch, end: level / batch, first, series: all - first });
            (events, series) = (level, all);
        }
        Ok(Self { batch, payload, spread, blocks })
    }

    /// The number of series once there are as many Appends as this.
    pub fn series(&self, appends: u64) -> u64 {
        let blocks = self.blocks.iter().filter(|block| block.end <= appends);
        blocks.map(|block| block.first + block.series).max().unwrap_or_default()
    }

    /// The events of an Append.
    pub fn batch(&self, append: u64) -> Batch {
        Batch { first: append * self.batch, count: self.batch }
    }

    /// The series of an event.
    pub fn series_of(&self, event: u64) -> u64 {
        let (append, at) = (event / self.batch, event % self.batch);
        let block = self.blocks.iter().find(|block| append < block.end).or(self.blocks.last());
        let Some(block) = block else { return 0 };
        let turn = append - block.start + (at % self.spread) * block.series.div_ceil(self.spread);
        block.first + turn % block.series * STRIDE % block.series
    }

    /// The time of an event, in microseconds since the Unix epoch.
    pub fn time_of(event: u64) -> i64 {
        START.saturating_add_unsigned(event)
    }

    /// The id of an event: 16 bytes.
    pub fn id_of(event: u64) -> [u8; 16] {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&event.to_be_bytes());
        id[8..].copy_from_slice(&event.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        id
    }

    /// The payload of an event: its number, over and over.
    pub fn payload_of(&self, event: u64) -> Bytes {
        let mut payload = BytesMut::with_capacity(self.payload + 8);
        while payload.len() < self.payload {
            payload.put_u64(event);
        }
        payload.truncate(self.payload);
        payload.freeze()
    }

    /// The number of an event that was read, whose parts have to belong together.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, time: i64, id: &[u8], payload: &[u8]) -> Result<u64, String> {
        let number = id.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)).unwrap_or_default();
        let is_right =
            id == Self::id_of(number) && time == Self::time_of(number) && payload == self.payload_of(number);
        if is_right { Ok(number) } else { Err(format!("event {number} was never written so")) }
    }

    /// Checks the events of a Query of the last [`FULL`] events of a series, the newest first.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_last(&self, series: u64, numbers: &[u64]) -> Result<(), String> {
        if numbers.len() as u64 != FULL {
            return Err(format!(
                "a Query of the last {FULL} events of series {series} has {}",
                numbers.len()
            ));
        }
        if numbers.windows(2).any(|pair| pair[0] <= pair[1]) {
            return Err(format!("the events of series {series} are out of order"));
        }
        match numbers.iter().find(|number| self.series_of(**number) != series) {
            Some(number) => Err(format!("event {number} is not of series {series}")),
            None => Ok(()),
        }
    }
}

/// The name of a series.
pub fn name_of(series: u64) -> String {
    format!("sensor/{series:05}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_fills_further_series_with_as_many_events_each() {
        for spread in [1, 4, 100] {
            let layout = Layout::new(&[100_000, 1_000_000, 1_100_000], 1_000, 100, 100, spread).unwrap();
            for (events, series) in [(100_000, 100), (1_000_000, 1_000)] {
                assert_eq!(layout.series(events / 100), series);
                let mut counts = vec![0; usize::try_from(series).unwrap()];
                for event in 0..events {
                    counts[usize::try_from(layout.series_of(event)).unwrap()] += 1;
                }
                assert!(counts.iter().all(|count| *count == FULL), "{spread}");
            }
            // No further series: the last level goes on with all of them.
            assert_eq!(layout.series(11_000), 1_000);
            let of_batch: std::collections::HashSet<_> =
                (1_000_000..1_000_100).map(|event| layout.series_of(event)).collect();
            assert_eq!(of_batch.len() as u64, spread);
        }
        let refused = Layout::new(&[100_000, 100_000], 1_000, 100, 100, 1).unwrap_err();
        assert_eq!(refused, "the numbers of events have to grow, by multiples of 100000");
    }

    #[test]
    fn a_wrong_answer_is_detected() {
        let layout = Layout::new(&[100_000], 1_000, 100, 100, 1).unwrap();
        let (time, id, payload) = (Layout::time_of(5), Layout::id_of(5), layout.payload_of(5));
        assert_eq!(layout.check(time, &id, &payload), Ok(5));
        let wrong = Err("event 5 was never written so".to_owned());
        assert_eq!(layout.check(time + 1, &id, &payload), wrong);
        assert_eq!(layout.check(time, &id[..15], &payload), wrong);
        assert_eq!(layout.check(time, &id, &layout.payload_of(6)), wrong);

        let right: Vec<_> = (0..100_000).rev().filter(|event| layout.series_of(*event) == 7).collect();
        assert_eq!(layout.check_last(7, &right), Ok(()));
        let few = "a Query of the last 1000 events of series 7 has 999".to_owned();
        assert_eq!(layout.check_last(7, &right[1..]), Err(few));
        let swapped: Vec<_> = right.iter().rev().copied().collect();
        assert_eq!(layout.check_last(7, &swapped), Err("the events of series 7 are out of order".to_owned()));
        let foreign = layout.check_last(8, &right).unwrap_err();
        assert_eq!(foreign, format!("event {} is not of series 8", right[0]));
    }
}
