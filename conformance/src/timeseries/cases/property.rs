//! Random operations on one namespace, compared with the model. A sequence that diverges is shrunk by leaving operations out.

use std::time::Duration;

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::timeseries::Capability;
use prism_contract::timeseries::request::EventInput;

use super::support::{EXACT_TAIL, MANUAL_CLOCK, MINUTE, POLICIES, SWEEP};
use crate::core::linearizability::Dice;
use crate::core::{Kind, Proof, StatusCode, Stop, case, refused};
use crate::timeseries::model::{Asked, Model, Place, Tailed};
use crate::timeseries::policies::KEPT;
use crate::timeseries::{Case, Ctx, Events, event};

pub(super) const CASES: &[Case] = &[case!(
    "property::operations_agree_with_the_model",
    "Whatever is asked, in whatever order, each answer is one that the contract allows.",
    [
        "APP-1", "APP-3", "APP-4", "APP-6", "APP-8", "APP-11", "ACC-1", "ACC-2", "QRY-1", "QRY-3", "QRY-4",
        "QRY-6", "QRY-7", "QRY-11", "TAIL-1", "TAIL-2", "TAIL-3", "TAIL-6", "RET-1", "RET-2", "DEL-1",
        "DEL-3", "ISO-1"
    ],
    [EXACT_TAIL, POLICIES, MANUAL_CLOCK, SWEEP],
    |c| {
        let sequences = c.budget().pick(60, 200, 3_000);
        for sequence in 0..sequences {
            let ops = operations(&mut Dice::new(c.seed(), sequence));
            c.fresh();
            if let Err(Stop::Diverged(divergence)) = play(c, &ops).await {
                return shrunk(c, ops, Stop::Diverged(divergence)).await;
            }
        }
        c.note(format!("seed {}: {sequences} sequences", c.seed()));
        Ok(())
    }
)
.kind(Kind::Property)];

/// Minutes from the server's time: at the ends of the window, and beyond them.
const OFFSETS: [i64; 11] = [-31, -30, -29, -20, -10, -1, 0, 1, 4, 5, 6];
const SERIES: [&str; 3] = ["s", "s", "t"];
/// Maximum attempts of shrinking.
const MAX_ATTEMPTS: usize = 300;

/// An operation, independent of earlier answers.
#[derive(Debug, Clone)]
enum Op {
    /// Events: series, minutes and microseconds from now, id, payload, tag.
    Append(Vec<(&'static str, i64, i64, u8, u8, usize)>),
    /// Series, bounds in minutes from now, tag, reverse, limit.
    Query(&'static str, Option<i64>, Option<i64>, Option<usize>, bool, u64),
    /// Series, bounds.
    Delete(&'static str, Option<i64>, Option<i64>),
    /// From the beginning, or from an earlier token of this number.
    Tail(&'static str, Option<usize>),
    /// Minutes.
    Advance(u32),
    Sweep,
}

fn operations(dice: &mut Dice) -> Vec<Op> {
    let length = 15 + dice.below(30);
    (0..length).map(|_| operation(dice)).collect()
}

fn operation(dice: &mut Dice) -> Op {
    let series = SERIES[dice.below(SERIES.len())];
    let bound = |dice: &mut Dice| dice.chance(40).then(|| OFFSETS[dice.below(OFFSETS.len())]);
    match dice.below(100) {
        0..40 => Op::Append((0..=dice.below(4)).map(|_| input(dice)).collect()),
        40..58 => {
            let (start, end) = (bound(dice), bound(dice));
            let tag = dice.chance(30).then(|| dice.below(2));
            let limit = if dice.chance(40) { dice.below(3) as u64 } else { 0 };
            Op::Query(series, start, end, tag, dice.chance(30), limit)
        }
        58..66 => Op::Delete(series, bound(dice), bound(dice)),
        66..86 => Op::Tail(series, dice.chance(70).then(|| dice.below(8))),
        86..96 => Op::Advance([1, 5, 10, 29, 30][dice.below(5)]),
        _ => Op::Sweep,
    }
}

fn input(dice: &mut Dice) -> (&'static str, i64, i64, u8, u8, usize) {
    let micros = if dice.chance(20) { [-1, 1][dice.below(2)] } else { 0 };
    // Mostly within the window, so that most Appends are accepted.
    let offset = if dice.chance(90) { 1 + dice.below(9) } else { dice.below(OFFSETS.len()) };
    let byte = |dice: &mut Dice, most: usize| u8::try_from(dice.below(most)).unwrap_or(0);
    (
        SERIES[dice.below(SERIES.len())],
        OFFSETS[offset],
        micros,
        b'a' + byte(dice, 3),
        b'0' + byte(dice, 10),
        dice.below(2),
    )
}

const TAGS: [&str; 2] = ["1", "2"];

fn from(now: Timestamp, minutes: i64, micros: i64) -> Timestamp {
    let at = now.as_micros() + minutes * 60_000_000 + micros;
    Timestamp::from_micros(at).unwrap_or(now)
}

/// What a sequence has seen so far.
struct Play {
    model: Model,
    tokens: Vec<(&'static str, Bytes, Place)>,
}

async fn play(c: &Ctx, ops: &[Op]) -> Proof {
    let mut play = Play { model: Model::new(KEPT, c.now().await?), tokens: Vec::new() };
    for op in ops {
        play.step(c, op).await?;
    }
    for series in ["s", "t"] {
        play.step(c, &Op::Query(series, None, None, None, false, 0)).await?;
        play.step(c, &Op::Tail(series, None)).await?;
    }
    Ok(())
}

impl Play {
    async fn step(&mut self, c: &Ctx, op: &Op) -> Proof {
        let has = |capability| c.capabilities().contains(capability);
        match op {
            Op::Append(inputs) => {
                let now = self.model.now;
                let input = |&(series, minutes, micros, id, payload, tag): &(
                    &str,
                    i64,
                    i64,
                    u8,
                    u8,
                    usize,
                )|
                 -> EventInput {
                    event(from(now, minutes, micros), [id]).of(series).payload([payload]).tag("k", TAGS[tag])
                };
                let events: Vec<_> = inputs.iter().map(input).collect();
                let detects = has(Capability::DetectsDuplicates);
                let call = c.append(events.clone()).under(&KEPT);
                match self.model.append(&events, detects) {
                    Some(duplicates) => call.ok().await?.duplicates(&duplicates),
                    None => call.fails(StatusCode::InvalidArgument).await.map(drop),
                }
            }
            &Op::Query(series, start, end, tag, reverse, limit) => {
                let reverse = reverse && has(Capability::Reverse);
                self.query(c, series, self.range(start, end), tag, reverse, limit).await
            }
            &Op::Delete(series, start, end) if has(Capability::Delete) => {
                let Some((start, end)) = self.range(start, end) else { return Ok(()) };
                let mut call = c.delete().under(&KEPT).of(series);
                if let Some(start) = start {
                    call = call.from(start);
                }
                if let Some(end) = end {
                    call = call.to(end);
                }
                if start.is_none() && end.is_none() {
                    call = call.all();
                }
                let count = self.model.delete(Asked { series, start, end, tag: None, reverse: false });
                call.ok().await?.counts(count)
            }
            Op::Delete(..) => Ok(()),
            &Op::Tail(series, from) => self.tail(c, series, from).await,
            &Op::Advance(minutes) => {
                let by: Duration = MINUTE * minutes;
                c.advance(by).await?;
                self.model.now = self.model.now.saturating_add(by);
                Ok(())
            }
            Op::Sweep => c.sweep().await,
        }
    }

    /// The bounds; `None`: the range would hold no time.
    fn range(&self, start: Option<i64>, end: Option<i64>) -> Option<(Option<Timestamp>, Option<Timestamp>)> {
        let at = |minutes: i64| from(self.model.now, minutes, 0);
        let is_empty = start.zip(end).is_some_and(|(start, end)| start >= end);
        (!is_empty).then_some((start.map(at), end.map(at)))
    }

    async fn query(
        &mut self,
        c: &Ctx,
        series: &'static str,
        range: Option<(Option<Timestamp>, Option<Timestamp>)>,
        tag: Option<usize>,
        reverse: bool,
        limit: u64,
    ) -> Proof {
        let Some((start, end)) = range else { return Ok(()) };
        let tag = tag.map(|tag| TAGS[tag]);
        let expected = self.model.query(Asked { series, start, end, tag, reverse });
        let (mut token, mut read) = (Bytes::new(), Vec::new());
        for _ in 0..=expected.len() + 1 {
            let mut call = c.query().under(&KEPT).of(series).limit(limit).resume(&token);
            if let Some(start) = start {
                call = call.from(start);
            }
            if let Some(end) = end {
                call = call.to(end);
            }
            if let Some(tag) = tag {
                call = call.tagged("k", tag);
            }
            let answer = if reverse { call.reverse() } else { call }.ok().await?;
            read.extend(answer.events());
            token = answer.resume_token();
            if token.is_empty() {
                answer.same("events", &expected, &read)?;
                self.tokens.push((series, answer.tail_token()?, self.model.end()));
                return Ok(());
            }
        }
        c.expect(false, format!("the last of {} events", expected.len()), "a resume_token")
    }

    async fn tail(&mut self, c: &Ctx, series: &'static str, from: Option<usize>) -> Proof {
        let earlier = from.and_then(|from| self.tokens.iter().rev().nth(from).cloned());
        let (series, place, call) = if let Some((series, token, place)) = earlier {
            (series, place, c.tail().under(&KEPT).of(series).after(&token))
        } else {
            let place = Place { after: 0, began: Some(self.model.now) };
            (series, place, c.tail().under(&KEPT).of(series).beginning())
        };
        let (step, answer) = call.outcome().await?;
        let expected = match (self.model.tail(series, place), &answer) {
            (Tailed::Either(_), Err(failure)) if failure.code == StatusCode::OutOfRange => return Ok(()),
            (Tailed::Expired, _) => return refused(step, answer, StatusCode::OutOfRange).map(drop),
            (Tailed::Events(events) | Tailed::Either(events), _) => events,
        };
        let answer = crate::core::answered(step, answer)?;
        answer.same("events", &expected, &answer.events())?;
        let end = Place { began: place.began, ..self.model.end() };
        self.tokens.push((series, answer.token()?, end));
        Ok(())
    }
}

/// Leaves out each operation that the divergence does not need.
async fn shrunk(c: &Ctx, mut ops: Vec<Op>, mut found: Stop) -> Proof {
    let mut attempts = 0;
    let mut at = ops.len();
    while at > 0 && attempts < MAX_ATTEMPTS {
        at -= 1;
        attempts += 1;
        let mut fewer = ops.clone();
        fewer.remove(at);
        c.fresh();
        if let Err(Stop::Diverged(divergence)) = play(c, &fewer).await {
            (ops, found) = (fewer, Stop::Diverged(divergence));
        }
    }
    // The transcript is that of the last sequence that was played.
    c.fresh();
    match play(c, &ops).await {
        Err(stop) => Err(stop),
        Ok(()) => Err(found),
    }
}
