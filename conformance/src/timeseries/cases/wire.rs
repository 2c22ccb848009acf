//! The gRPC layer: what is the same for every abstraction, a Tail while its server drains, and slow readers.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::timeout;

use super::support::{RESTART, numbered, times};
use crate::core::Need::{Ability, Alone, Wire};
use crate::core::StatusCode::{DeadlineExceeded, InvalidArgument, Unavailable};
use crate::core::raw_calls::protobuf::bytes_field;
use crate::core::raw_calls::{
    self, PROMPT, Probed, answer_text, call, memory_growth, refused as refused_with,
};
use crate::core::{Failure, Proof, Reply, Restart, Stop, case, span};
use crate::timeseries::policies::FREE;
use crate::timeseries::{Case, Ctx, Events, TailUntil, TimeSeries, event};

pub(super) const CASES: &[Case] = &[
    case!(
        "wire::bytes_that_are_no_message_are_refused",
        "Bytes that are not the method's message are INVALID_ARGUMENT with reason MALFORMED_MESSAGE, and harm nothing.",
        ["ERR-3", "ERR-1"],
        [Wire],
        |c| { raw_calls::bytes_that_are_no_message_are_refused(c).await }
    ),
    case!(
        "wire::no_input_kills_the_server",
        "Whatever bytes are sent, the server answers INVALID_ARGUMENT, and goes on answering.",
        ["ERR-3"],
        [Wire],
        |c| { raw_calls::no_input_kills_the_server(c).await }
    ),
    case!(
        "wire::a_message_of_over_8_mib_is_refused",
        "A message of over 8 MiB is INVALID_ARGUMENT with reason MESSAGE_TOO_LARGE, and nothing is written.",
        ["ERR-3", "ERR-1"],
        [Wire],
        |c| {
            let request = append(c, &vec![b'p'; 9 << 20]);
            let answer = call(c, TimeSeries::WRITE, request, None).await?;
            refused_with(&answer, InvalidArgument, "MESSAGE_TOO_LARGE")?;
            TimeSeries::is_written(c, false).await
        }
    ),
    case!(
        "wire::the_largest_append_passes",
        "An Append of nearly 4 MiB is taken, whatever its message weighs besides.",
        ["ERR-1", "LIM-1"],
        [Wire],
        |c| {
            let t = times(c).await?;
            let payload = |n: i64| vec![u8::try_from(n).unwrap_or(0); (1 << 20) - 100];
            let events: Vec<_> = (0..4).map(|n| event(t.at(n), n.to_string()).payload(payload(n))).collect();
            c.append(events.clone()).ok().await?;
            c.query().ok().await?.holds(&events)
        }
    ),
    case!(
        "wire::an_unknown_method_is_unimplemented",
        "A method or service that there is not is UNIMPLEMENTED with reason METHOD_NOT_FOUND.",
        ["ERR-3", "ERR-1"],
        [Wire],
        |c| { raw_calls::an_unknown_method_is_unimplemented(c).await }
    ),
    case!(
        "wire::unknown_fields_are_ignored",
        "Fields that the server does not know change nothing.",
        ["ERR-5"],
        [Wire],
        |c| {
            // Field 1000 as a varint, 1001 as bytes, 1002 and 1003 of fixed width.
            let unknown = b"\xc0\x3e\x07\xca\x3e\x03abc\xd1\x3e12345678\xdd\x3e1234".to_vec();
            let event = [unknown.clone(), bytes_field(2, "e"), bytes_field(3, "p"), unknown.clone()].concat();
            let of = [bytes_field(1, "s"), unknown.clone(), bytes_field(2, event)].concat();
            let whole = [unknown.clone(), bytes_field(1, c.space(&FREE, "")), bytes_field(2, of), unknown];
            let answer = call(c, TimeSeries::WRITE, whole.concat(), None).await?;
            answer.expect(answer.is_ok(), "OK", answer_text(&answer))?;
            TimeSeries::is_written(c, true).await
        }
    ),
    case!(
        "wire::a_request_that_is_not_one_message_is_refused",
        "A request of no message, of two, or of one that is cut short is refused, and nothing is done.",
        ["ERR-3"],
        [Wire],
        |c| { raw_calls::a_request_that_is_not_one_message_is_refused(c).await }
    ),
    case!(
        "wire::a_request_that_does_not_end_is_not_done",
        "An Append whose request does not end, or breaks off, is not done, however much of it came.",
        ["ERR-3", "ERR-4"],
        [Wire],
        |c| { raw_calls::a_request_that_does_not_end_is_not_done(c).await }
    ),
    case!(
        "wire::what_is_no_post_of_grpc_is_refused",
        "Another HTTP method than POST is 405, another content type than gRPC's is 415, and nothing is done.",
        ["ERR-3"],
        [Wire],
        |c| { raw_calls::what_is_no_post_of_grpc_is_refused(c).await }
    ),
    case!(
        "wire::a_message_in_an_unknown_compression_is_not_done",
        "A message in a compression that the server does not read is refused, and nothing is done.",
        ["ERR-3"],
        [Wire],
        |c| { raw_calls::a_message_in_an_unknown_compression_is_not_done(c).await }
    ),
    case!(
        "wire::an_unknown_compression_is_unimplemented",
        "A compression that the server does not read is UNIMPLEMENTED, and the answer lists those it reads.",
        ["ERR-7"],
        [Wire],
        |c| { raw_calls::an_unknown_compression_is_unimplemented(c).await }
    )
    .should(),
    case!(
        "wire::a_passed_deadline_leaves_an_event_whole_or_absent",
        "A call whose deadline passes is answered promptly, and its event is whole or absent.",
        ["ERR-4", "DUR-2"],
        [Wire],
        |c| {
            for micros in [1, 100, 300, 1_000, 2_000, 4_000, 8_000, 20_000] {
                c.fresh();
                let within = Some(Duration::from_micros(micros));
                let answer = call(c, TimeSeries::WRITE, TimeSeries::message(c), within).await?;
                let in_time = match &*answer {
                    Ok(_) => true,
                    Err(failure) => {
                        failure.code == DeadlineExceeded && !failure.message.contains("the suite gave up")
                    }
                };
                answer.expect(in_time, "DEADLINE_EXCEEDED or OK, promptly", answer_text(&answer))?;
                let read = c.query().ok().await?;
                let whole = read.events().iter().all(|event| event.payload == b"p"[..]);
                read.expect(whole && read.events().len() <= 1, "the event, or none", "a part of it")?;
            }
            Ok(())
        }
    ),
    case!(
        "wire::a_tail_ends_when_its_client_leaves",
        "A Tail whose client leaves holds nothing: many of them leave no trace, and the server goes on.",
        ["ERR-4", "TAIL-5"],
        [Wire],
        |c| {
            let t = times(c).await?;
            for _ in 0..LEAVING {
                let (_, tail) = c.tail().now().open().await?;
                drop(tail);
            }
            let events = numbered(t, 3);
            c.append(events.clone()).ok().await?;
            c.tail().beginning().until(TailUntil::Events(3)).ok().await?.holds(&events)
        }
    ),
    case!(
        "wire::health_and_reflection_answer",
        "Health says SERVING of the server and of its service, and reflection lists every service.",
        ["HEALTH-1"],
        [Wire],
        |c| { raw_calls::health_and_reflection_answer(c).await }
    ),
    case!(
        "wire::reflection_goes_on_after_what_it_does_not_know",
        "Reflection describes what errors carry, answers what is missing in words, and goes on with its stream.",
        ["HEALTH-1"],
        [Wire],
        |c| { raw_calls::reflection_goes_on_after_what_it_does_not_know(c).await }
    ),
    case!(
        "wire::health_follows_the_database",
        "Health says NOT_SERVING while the database is away, and SERVING once it is back.",
        ["HEALTH-1"],
        [Wire, Alone, Ability(crate::core::Ability::Outage)],
        |c| { raw_calls::health_follows_the_database(c).await }
    ),
    case!(
        "wire::messages_leak_nothing",
        "No message of a refusal has a payload, a tag or an id of the request.",
        ["ERR-2"],
        [Wire],
        |c| {
            let t = times(c).await?;
            let secret = |id: &str| event(t.at(0), id).payload(SECRET).tag("k", SECRET).typed("text/plain");
            let long = format!("{SECRET}{}", "x".repeat(300));
            for refused in [
                vec![secret(&long)],
                vec![secret("a").tag("long", &long)],
                vec![secret("a").tag("UPPER", SECRET)],
                vec![secret("a").typed(&long)],
                vec![secret("a").payload(long.repeat(4_000))],
                vec![secret(SECRET), secret(SECRET)],
                vec![secret("a").of(&format!("{SECRET}\0"))],
            ] {
                leaks_nothing(&c.append(refused).fails(InvalidArgument).await?)?;
            }
            leaks_nothing(&c.query().tagged("k", &long).fails(InvalidArgument).await?)?;
            leaks_nothing(&c.query().resume(&SECRET.into()).fails(InvalidArgument).await?)?;
            leaks_nothing(&c.tail().after(&SECRET.into()).fails(InvalidArgument).await?)
        }
    ),
    case!(
        "wire::an_outage_is_unavailable",
        "While the store is away every call is UNAVAILABLE with a RetryInfo, and afterwards all is there.",
        ["ERR-1", "ERR-2"],
        [Wire, Alone, Ability(crate::core::Ability::Outage)],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 2);
            c.append(events.clone()).ok().await?;
            c.outage(true).await?;
            let refusals = [
                c.append([event(t.at(9), "new")]).fails(Unavailable).await?,
                c.query().fails(Unavailable).await?,
                c.tail().beginning().fails(Unavailable).await?,
            ];
            for refusal in refusals {
                let expected = "reason BACKEND_UNAVAILABLE and a RetryInfo";
                let matches =
                    refusal.reason.as_deref() == Some("BACKEND_UNAVAILABLE") && refusal.retry_after.is_some();
                let actual = format!("{:?}, retry after {:?}", refusal.reason, refusal.retry_after);
                refusal.expect(matches, expected, actual)?;
                leaks_nothing(&refusal)?;
            }
            c.outage(false).await?;
            c.query().ok().await?.holds(&events)
        }
    ),
    case!(
        "wire::a_drain_ends_a_tail",
        "When the server drains, a Tail ends with UNAVAILABLE, and its last token works afterwards.",
        ["TAIL-7", "TAIL-3"],
        [Wire, RESTART],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 3);
            c.append(events[..1].to_vec()).ok().await?;
            let (_, mut tail) = c.tail().beginning().open().await?;
            let token = tail.read(TailUntil::Events(1)).await?.token()?;
            c.restart(Restart::Clean).await?;
            tail.ends(Unavailable).await?;
            c.append(events[1..].to_vec()).ok().await?;
            c.tail().after(&token).until(TailUntil::Events(2)).ok().await?.holds(&events[1..])
        }
    ),
    case!(
        "wire::a_slow_reader_of_a_tail_delays_nobody",
        "Readers of a Tail that take nothing delay neither an Append nor another reader, and bound the server's memory.",
        ["TAIL-5", "ERR-6"],
        [Wire, Alone],
        |c| {
            let t = times(c).await?;
            let before = c.instance().resident_bytes();
            let mut stalled = Vec::new();
            for _ in 0..STALLED {
                // A dedicated connection: unread messages block all calls that share theirs.
                let store = c.instance().connect().await?;
                let (_, tail) = c.tail().beginning().via(store).open().await?;
                stalled.push(tail);
            }
            let (_, mut reader) = c.tail().now().via(c.instance().connect().await?).open().await?;
            for n in 0..UNREAD {
                let events: Vec<_> = (0..3)
                    .map(|m| event(t.at(n * 3 + m), format!("{n}-{m}")).payload(vec![b'p'; 1 << 20]))
                    .collect();
                let written = timeout(PROMPT, c.append(events.clone()).ok()).await;
                prompt(c, written)?;
                let read = timeout(PROMPT, reader.read(TailUntil::Events(3))).await;
                prompt(c, read)?.holds(&events)?;
            }
            let Some(before) = before else {
                c.note("the server's memory cannot be read, so only the delay is judged".to_owned());
                return Ok(());
            };
            let grown = memory_growth(c, before).await;
            let all = (STALLED * u64::try_from(UNREAD).unwrap_or(0) * 3) << 20;
            let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
            c.expect(
                grown < all / 2,
                format!(
                    "the server's memory grows by less than {} while {} are unread",
                    mib(all / 2),
                    mib(all)
                ),
                format!("it grew by {}", mib(grown)),
            )
        }
    ),
];

/// What no message may have.
const SECRET: &str = "v9-secret";

/// Neither the message nor a description has the secret, or what only the server knows.
fn leaks_nothing(refusal: &Reply<Failure>) -> Proof {
    let descriptions = refusal.violations.iter().map(|of| of.description.as_str());
    let texts: Vec<_> = std::iter::once(refusal.message.as_str()).chain(descriptions).collect();
    let leaked = [SECRET, "SELECT", "INSERT", "/home/", "/tmp/"];
    let leaked = leaked.into_iter().find(|part| texts.iter().any(|text| text.contains(part)));
    refusal.same("what leaks", &None, &leaked)
}

/// The Tails that are given up.
const LEAVING: usize = 100;

/// The Tails that are not read.
const STALLED: u64 = 8;

/// The Appends of 3 MiB that they do not take.
const UNREAD: i64 = 10;

/// An answer that came in time.
fn prompt<T>(
    c: &Ctx,
    answer: Result<Result<Reply<T>, Stop>, tokio::time::error::Elapsed>,
) -> Result<Reply<T>, Stop> {
    answer.unwrap_or_else(|_| {
        c.expect(false, format!("an answer within {}", span(PROMPT)), "none")?;
        Err(Stop::Broken("an expectation that does not hold passed".to_owned()))
    })
}

/// An Append of one event of series `s`, with the server's time and this payload.
fn append(c: &Ctx, payload: &[u8]) -> Vec<u8> {
    let event = [bytes_field(2, "e"), bytes_field(3, payload)].concat();
    [
        bytes_field(1, c.space(&FREE, "")),
        bytes_field(2, [bytes_field(1, "s"), bytes_field(2, event)].concat()),
    ]
    .concat()
}

impl Probed for TimeSeries {
    const SERVICE: &'static str = "prism.timeseries.v1.TimeSeriesService";
    const SERVICE_NAME: &'static str = "TimeSeriesService";
    const METHODS: &'static [&'static str] = &[
        "/prism.timeseries.v1.TimeSeriesService/Append",
        "/prism.timeseries.v1.TimeSeriesService/Query",
        "/prism.timeseries.v1.TimeSeriesService/Tail",
        "/prism.timeseries.v1.TimeSeriesService/ListSeries",
        "/prism.timeseries.v1.TimeSeriesService/Histogram",
        "/prism.timeseries.v1.TimeSeriesService/DeleteEvents",
        "/prism.timeseries.v1.TimeSeriesService/Describe",
    ];
    const WRITE: &'static str = "/prism.timeseries.v1.TimeSeriesService/Append";
    const STREAM: &'static str = "/prism.timeseries.v1.TimeSeriesService/Query";
    const UNKNOWN: [&'static str; 3] = [
        "/prism.timeseries.v1.TimeSeriesService/Nothing",
        "/prism.timeseries.v1.NoService/Append",
        "/nothing.at.all/Append",
    ];
    const DETAILS: &'static [(&'static str, &'static str)] = &[];

    fn write_one(c: &Ctx) -> BoxFuture<'_, Proof> {
        async {
            let one = prism_contract::timeseries::request::EventInput {
                series: "s".to_owned(),
                id: "e".into(),
                payload: "p".into(),
                ..Default::default()
            };
            c.append([one]).ok().await.map(drop)
        }
        .boxed()
    }

    fn message(c: &Ctx) -> Vec<u8> {
        append(c, b"p")
    }

    fn is_written(c: &Ctx, written: bool) -> BoxFuture<'_, Proof> {
        async move {
            let read = c.query().ok().await?;
            let payloads: Vec<_> = read.events().into_iter().map(|event| event.payload).collect();
            // With the server's time, each write is another event.
            let right = payloads.iter().all(|payload| payload == "p") && payloads.is_empty() != written;
            read.expect(right, if written { "the event" } else { "no event" }, format!("{payloads:?}"))
        }
        .boxed()
    }
}
