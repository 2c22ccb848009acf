//! Gets that ride together: many small pages are read by one statement, while a lone Get is read at once by its own.
//!
//! A rider asks for the first [`ROWS`] rows of each of its spans. One that turns out to be longer is read alone afterwards,
//! by a statement of its own, because a page is one moment (LIN-3). So is one that passes over many dead rows, which the others
//! would wait for. What fails is one rider's own failure.

mod conductor;

use bytes::Bytes;
use prism_contract::Error;
use prism_contract::keyvalue::{Direction, Get, Item, ItemPage, Limits, Predicate};

pub(crate) use conductor::{Carrier, Line};

use crate::fair::{Job, Waiting};
use crate::page::{Filling, Fit};
use crate::span::{Span, keys_beyond, successor};

/// Gets that wait for a statement.
type Riders = Waiting<Get, Rode>;
type Rider = Job<Get, Rode>;

/// What became of a rider.
pub(crate) enum Rode {
    /// Its page.
    Arrived(ItemPage),
    /// It is to be read by a statement of its own.
    Alone,
}

/// Most rows that a span is answered with; one more tells that it is longer.
pub(crate) const ROWS: usize = 16;
/// Most spans that one statement reads.
pub(crate) const SPANS: usize = 64;
/// Most keys that a rider may name; each is a span of one row.
const KEYS: usize = 8;
const _: () = assert!(KEYS <= ROWS && KEYS <= SPANS);

/// Whether a Get may ride: what it reads is a few keys, or a span from its start on.
fn may_ride(get: &Get) -> bool {
    let few = match &get.predicate {
        Predicate::Keys(keys) => keys.len() <= KEYS,
        Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => true,
    };
    few && !get.selection.keys_only && get.selection.direction == Direction::Forward
}

/// Takes riders for one statement.
fn take(riders: &Riders) -> Vec<Rider> {
    let mut spans = 0;
    riders.take_while(|rider| {
        spans += match &rider.request.predicate {
            Predicate::Keys(keys) => keys.len(),
            Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => 1,
        };
        spans <= SPANS
    })
}

/// A span of one record that a statement reads.
pub(crate) struct Seat {
    /// The rider's number.
    pub(crate) rider: usize,
    /// Inclusive.
    pub(crate) start: Bytes,
    /// Exclusive.
    pub(crate) end: Bytes,
}

/// A statement's riders, and what has been read for each.
pub(crate) struct Ride {
    seats: Vec<Seat>,
    trips: Vec<Trip>,
    /// The number of the rider that the last row was for.
    reached: usize,
}

struct Trip {
    rider: Rider,
    filling: Filling<Item>,
    rows: usize,
    state: State,
}

enum State {
    /// All that was read is on the page.
    Filling,
    /// The page is full, and there is more.
    Full,
    /// There is more than the statement reads.
    Long,
    Failed(Error),
}

impl Ride {
    fn new(riders: Vec<Rider>) -> Self {
        let mut seats = Vec::with_capacity(riders.len());
        for (number, rider) in riders.iter().enumerate() {
            seats.extend(spans(&rider.request).map(|(start, end)| Seat { rider: number, start, end }));
        }
        let trips = riders.into_iter().map(|rider| {
            let filling = Filling::new(rider.request.selection.page);
            Trip { rider, filling, rows: 0, state: State::Filling }
        });
        Self { seats, trips: trips.collect(), reached: 0 }
    }

    /// What the statement reads, with the request that each seat belongs to.
    pub(crate) fn seats(&self) -> impl ExactSizeIterator<Item = (&Seat, &Get)> {
        self.seats.iter().map(|seat| (seat, &self.trips[seat.rider].rider.request))
    }

    /// A row of a seat, in order; the rows of a rider's seats come seat by seat.
    pub(crate) fn offer(&mut self, number: usize, item: Result<Item, Error>) {
        let Some(rider) = self.seats.get(number).map(|seat| seat.rider) else { return };
        self.reached = rider;
        let Some(trip) = self.trips.get_mut(rider) else { return };
        if !matches!(trip.state, State::Filling) {
            return;
        }
        trip.rows += 1;
        trip.state = match item {
            Err(error) => State::Failed(error),
            Ok(_) if trip.rows > ROWS => State::Long,
            Ok(item) => {
                let weight = item.weight();
                match trip.filling.offer(item, weight) {
                    Fit::Taken => State::Filling,
                    Fit::Full => State::Full,
                }
            }
        };
    }

    /// A span has a dead row before its page is full, and more rows than the statement walks: it is read alone.
    #[cfg(feature = "postgres")]
    pub(crate) fn leave_out(&mut self, number: usize) {
        let Some(rider) = self.seats.get(number).map(|seat| seat.rider) else { return };
        let Some(trip) = self.trips.get_mut(rider) else { return };
        if matches!(trip.state, State::Filling) {
            trip.state = State::Long;
        }
    }

    /// Answers everybody once the statement has ended.
    pub(crate) fn arrive(self) {
        self.trips.into_iter().for_each(Trip::arrive);
    }

    /// The statement was stopped. Answers those whose rows have all come: the rows of one come after all of those before it.
    /// The others are to be read from the beginning, each by a statement of its own, because a page is one moment (LIN-3).
    #[cfg(feature = "sqlite")]
    pub(crate) fn interrupted(self) -> Vec<Self> {
        let mut left = Vec::new();
        for (number, trip) in self.trips.into_iter().enumerate() {
            if number < self.reached || !matches!(trip.state, State::Filling) {
                trip.arrive();
            } else {
                left.push(Self::new(vec![trip.rider]));
            }
        }
        left
    }

    /// The statement failed: each is read alone, so that it fails alone.
    pub(crate) fn get_off(self) {
        self.trips.into_iter().for_each(|trip| alone(trip.rider));
    }
}

impl Trip {
    fn arrive(self) {
        let Self { rider, filling, state, .. } = self;
        match state {
            State::Filling => arrived(rider, filling, false),
            State::Full => arrived(rider, filling, true),
            State::Failed(error) => rider.answer(Err(error)),
            State::Long => alone(rider),
        }
    }
}

fn arrived(rider: Rider, filling: Filling<Item>, more: bool) {
    rider.answer(Ok(Rode::Arrived(ItemPage { items: filling.into_taken(), more })));
}

fn alone(rider: Rider) {
    rider.answer(Ok(Rode::Alone));
}

/// What lies above every key.
const ABOVE: [u8; Limits::V1.key_bytes as usize + 1] = [0xFF; Limits::V1.key_bytes as usize + 1];

/// The spans of a request that may ride, in key order.
fn spans(get: &Get) -> impl Iterator<Item = (Bytes, Bytes)> {
    let (named, span) = match &get.predicate {
        Predicate::Keys(keys) => (Some(keys_beyond(keys, get.after.as_ref(), Direction::Forward)), None),
        predicate @ (Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_)) => {
            let Span { start, end } = Span::of(predicate, get.after.as_ref(), Direction::Forward);
            (None, Some((start, end.unwrap_or_else(|| Bytes::from_static(&ABOVE)))))
        }
    };
    let named = named.into_iter().flatten().map(|key| (key.clone().into_bytes(), successor(key)));
    named.chain(span)
}
