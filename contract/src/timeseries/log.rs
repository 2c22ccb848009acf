//! What backends share about logs: positions in append order, and which tokens expired events have ended.

use bytes::Bytes;

use super::Position;
use crate::{Error, Timestamp};

/// A position in the partitions of a log, and the store's incarnation: a restored backup has another one, so that its tokens
/// are not continued where they would skip events (TAIL-6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPosition {
    /// Random bytes that a store makes when it is created or restored.
    pub incarnation: [u8; 16],
    /// The position in each partition that the token covers: that of the series, or all of the namespace. 0: before the first.
    pub partitions: Vec<u64>,
}

impl LogPosition {
    /// Its bytes.
    pub fn encode(&self) -> Position {
        let mut bytes = self.incarnation.to_vec();
        for position in &self.partitions {
            bytes.extend_from_slice(&position.to_le_bytes());
        }
        Position::new(bytes)
    }

    /// Reads a position in a log of this incarnation that ends at `end`, which has the partitions of the token.
    ///
    /// # Errors
    /// [`Error::TokenExpired`]: it is of another incarnation, or beyond the end.
    pub fn decode(position: &Position, incarnation: &[u8; 16], end: &[u64]) -> Result<Self, Error> {
        let (of, rest) = position.as_bytes().split_first_chunk::<16>().ok_or(Error::TokenExpired)?;
        let (partitions, rest) = rest.as_chunks::<8>();
        let partitions: Vec<_> = partitions.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        let is_within =
            partitions.len() == end.len() && partitions.iter().zip(end).all(|(at, end)| at <= end);
        if of != incarnation || !rest.is_empty() || !is_within {
            return Err(Error::TokenExpired);
        }
        Ok(Self { incarnation: *of, partitions })
    }
}

/// The expired events that have left a partition's log: which tokens they end. For each, its position and its time count; of
/// those that are both earlier in the log and earlier in time than another one, the other decides, so few remain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SweptEvents(Vec<(u64, i64)>);

impl SweptEvents {
    /// Maximum events kept. Beyond it the two nearest in the log become one at the later position and the later time, which may
    /// end a token that need not end, and never the other way round.
    const MOST: usize = 64;

    /// Records that an expired event has left the log.
    pub fn insert(&mut self, position: u64, time: Timestamp) {
        let time = time.as_micros();
        let at = self.0.partition_point(|(other, _)| *other < position);
        if self.0[at..].iter().any(|(_, later)| *later >= time) {
            return;
        }
        let kept = self.0[..at].partition_point(|(_, earlier)| *earlier > time);
        let end = if self.0.get(at).is_some_and(|(other, _)| *other == position) { at + 1 } else { at };
        self.0.splice(kept..end, [(position, time)]);
        if self.0.len() > Self::MOST {
            // The times fall along the log: the later position with the earlier one's time covers both.
            let nearest = (1..self.0.len()).min_by_key(|at| self.0[*at].0 - self.0[*at - 1].0).unwrap_or(1);
            self.0[nearest].1 = self.0[nearest - 1].1;
            self.0.remove(nearest - 1);
        }
    }

    /// Whether a token at `after` has expired: an event beyond it has left that had not expired by the time `passed_over`.
    pub fn expire(&self, after: u64, passed_over: Option<Timestamp>) -> bool {
        let from = self.0.partition_point(|(position, _)| *position <= after);
        // The first beyond the token has the latest time.
        let latest = self.0.get(from).map(|(_, time)| *time);
        latest.is_some_and(|time| passed_over.is_none_or(|passed_over| time > passed_over.as_micros()))
    }

    /// Its bytes, at most 1 KiB.
    pub fn encode(&self) -> Bytes {
        self.0
            .iter()
            .flat_map(|(position, time)| [position.to_le_bytes(), time.to_le_bytes()])
            .flatten()
            .collect()
    }

    /// Reads what [`SweptEvents::encode`] wrote; `None`: it is damaged.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (pairs, rest) = bytes.as_chunks::<16>();
        let pair = |pair: &[u8; 16]| {
            let (position, time) = pair.split_at(8);
            Some((u64::from_le_bytes(position.try_into().ok()?), i64::from_le_bytes(time.try_into().ok()?)))
        };
        let pairs = pairs.iter().map(pair).collect::<Option<_>>()?;
        rest.is_empty().then_some(Self(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }

    #[test]
    fn a_position_reads_back_within_its_log_only() {
        let position = LogPosition { incarnation: [7; 16], partitions: vec![3, 0] };
        let encoded = position.encode();
        assert_eq!(LogPosition::decode(&encoded, &[7; 16], &[3, 0]).unwrap(), position);
        let others: [(&[u8; 16], &[u64]); 4] =
            [(&[8; 16], &[3, 0]), (&[7; 16], &[2, 9]), (&[7; 16], &[3]), (&[7; 16], &[3, 0, 0])];
        for (incarnation, end) in others {
            let refused = LogPosition::decode(&encoded, incarnation, end);
            assert!(matches!(refused, Err(Error::TokenExpired)), "{incarnation:?} {end:?}");
        }
        let cut = Position::new(Bytes::copy_from_slice(&encoded.as_bytes()[..20]));
        assert!(matches!(LogPosition::decode(&cut, &[7; 16], &[3]), Err(Error::TokenExpired)));
    }

    /// Compares with a list of all events, for every order of a few.
    #[test]
    fn a_token_expires_exactly_if_an_event_beyond_it_left_that_was_not_passed_over() {
        let events = [(1, 50), (2, 10), (3, 40), (4, 40), (5, 20)];
        for first in 0..events.len() {
            let mut swept = SweptEvents::default();
            let mut all = Vec::new();
            for step in 0..events.len() {
                let (position, time) = events[(first + step * 2) % events.len()];
                swept.insert(position, at(time));
                all.push((position, time));
                for after in 0..=5 {
                    for passed in [None, Some(5), Some(10), Some(20), Some(40), Some(50)] {
                        let expired = all.iter().any(|(position, time)| {
                            *position > after && passed.is_none_or(|passed| *time > passed)
                        });
                        assert_eq!(
                            swept.expire(after, passed.map(at)),
                            expired,
                            "{all:?} {after} {passed:?}"
                        );
                    }
                }
                assert_eq!(SweptEvents::decode(&swept.encode()), Some(swept.clone()));
            }
        }
        assert_eq!(SweptEvents::decode(&[0; 17]), None);
    }

    #[test]
    fn many_events_stay_bounded_and_never_keep_a_token_alive() {
        let mut swept = SweptEvents::default();
        for step in 0..1_000 {
            swept.insert(step + 1, at(i64::try_from(2_000 - step).unwrap()));
        }
        assert!(swept.encode().len() <= 1_024);
        for after in 0..1_000 {
            assert!(swept.expire(after, None));
            // The latest of the events beyond the token.
            assert!(swept.expire(after, Some(at(i64::try_from(2_000 - after - 1).unwrap()))));
        }
        assert!(!swept.expire(1_000, None));
    }
}
