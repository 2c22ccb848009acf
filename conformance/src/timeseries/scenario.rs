//! TimeSeries scenarios: each is played on the store, and its transcript is compared with the golden file.
//!
//! The transcript shows what the contract determines, so that one golden file serves every backend, in process and over the
//! wire, on a manual clock and on the real one: times count from the start of the run, which stands at the manual clock's
//! beginning; the messages of a stream are shown as one; and a Tail of a namespace is sorted by series.

use prism_contract::Timestamp;
use prism_contract::timeseries::request::{QueryResponse, TailResponse, TimeInput};

use super::op::{Player, parse_all};
use super::{Action, Ctx, Outcome, Request, Response, Transcript, replies, time};
pub use crate::core::scenario::Scenario;
use crate::core::scenario::first_difference;
use crate::core::{ManualClock, Proof, Stop};

/// Every scenario of the suite.
pub fn all() -> &'static [Scenario] {
    super::cases::scenario::SCENARIOS
}

/// Runs a story and returns its transcript. Checks only that the harness works.
///
/// # Errors
/// If the story does not parse, or the harness fails.
pub async fn run(ctx: &Ctx, story: &str) -> Result<String, Stop> {
    let ops = parse_all(story).map_err(|why| Stop::Broken(why.to_string()))?;
    let mut player = Player::start(ctx).await?;
    for op in &ops {
        let action = player.action(op);
        let (_, outcome) = ctx.act(action.clone()).await?;
        player.saw(&action, &outcome, |_| true);
    }
    Ok(normalized(ctx.take_transcript(), player.started()).render(None))
}

/// Runs a scenario and compares its transcript with the golden one; the first line that differs is the divergence.
pub(crate) async fn check(ctx: &Ctx, scenario: Scenario) -> Proof {
    let actual = run(ctx, scenario.story).await?;
    let divergence = first_difference(scenario.expected(), actual.trim_end(), rule_of);
    divergence.map_or(Ok(()), |divergence| Err(Stop::Diverged(divergence)))
}

/// A golden `end` is the end of an answer, and `more` is one that was cut.
fn rule_of(line: &str) -> &'static str {
    match line {
        "end" => ": the last message, without a resume_token (QRY-4)",
        "more" => ": a resume_token, because something is left (QRY-4)",
        _ => "",
    }
}

/// The transcript with what the contract determines.
fn normalized(mut transcript: Transcript, started: Timestamp) -> Transcript {
    let offset = ManualClock::default().now().as_micros() - started.as_micros();
    let moved = |of: &mut Timestamp| {
        *of = Timestamp::from_micros(of.as_micros().saturating_add(offset)).unwrap_or(*of);
    };
    let moved_input = |input: &mut TimeInput| {
        if let Some(mut at) = replies::timestamp(*input) {
            moved(&mut at);
            *input = time(at);
        }
    };
    for step in &mut transcript.steps {
        if let Action::Call(request) = &mut step.action {
            inputs(request).into_iter().for_each(moved_input);
        }
        if let Outcome::Answered(response) = &mut step.outcome {
            joined(
                response,
                matches!(&step.action, Action::Call(Request::Tail(of, _)) if of.series.is_empty()),
            );
            times(response).into_iter().for_each(moved);
        }
    }
    transcript
}

/// The times of a request.
fn inputs(request: &mut Request) -> Vec<&mut TimeInput> {
    match request {
        Request::Append(append) => append.events.iter_mut().filter_map(|event| event.time.as_mut()).collect(),
        Request::Query(query, _) => [&mut query.start, &mut query.end].into_iter().flatten().collect(),
        Request::Histogram(of) => [&mut of.start, &mut of.end].into_iter().flatten().collect(),
        Request::DeleteEvents(of) => [&mut of.start, &mut of.end].into_iter().flatten().collect(),
        Request::Tail(..) | Request::TailFurther(..) | Request::ListSeries(..) | Request::Describe(_) => {
            vec![]
        }
    }
}

/// The times of a response.
fn times(response: &mut Response) -> Vec<&mut Timestamp> {
    match response {
        Response::Append(answer) => answer.results.iter_mut().map(|result| &mut result.time).collect(),
        Response::Query(messages) => {
            messages.iter_mut().flat_map(|message| &mut message.events).map(|event| &mut event.time).collect()
        }
        Response::Tail(messages) => messages
            .iter_mut()
            .flat_map(|message| &mut message.events)
            .map(|event| &mut event.event.time)
            .collect(),
        Response::Histogram(messages) => messages
            .iter_mut()
            .flat_map(|message| &mut message.buckets)
            .map(|bucket| &mut bucket.start)
            .collect(),
        Response::ListSeries(_) | Response::DeleteEvents(_) | Response::Describe(_) => Vec::new(),
    }
}

/// The messages of a stream as one: where a stream is divided is left open.
fn joined(response: &mut Response, by_series: bool) {
    match response {
        Response::Query(messages) => {
            let Some(last) = messages.last().cloned() else { return };
            let events = std::mem::take(messages).into_iter().flat_map(|message| message.events).collect();
            messages.push(QueryResponse { events, ..last });
        }
        Response::Tail(messages) => {
            let Some(last) = messages.last().cloned() else { return };
            let mut events: Vec<_> =
                std::mem::take(messages).into_iter().flat_map(|message| message.events).collect();
            if by_series {
                events.sort_by(|one, other| one.series.cmp(&other.series));
            }
            messages.push(TailResponse { events, ..last });
        }
        Response::ListSeries(messages) => {
            let Some(mut last) = messages.last().cloned() else { return };
            last.series = std::mem::take(messages).into_iter().flat_map(|message| message.series).collect();
            messages.push(last);
        }
        Response::Append(_) | Response::Histogram(_) | Response::DeleteEvents(_) | Response::Describe(_) => {}
    }
}
