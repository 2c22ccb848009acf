//! Limits and times: each side of each border, and the fields that a refusal names.

use bytes::Bytes;
use prism_contract::timeseries::request::{
    AppendRequest, EventInput, ListSeriesRequest, QueryRequest, TagsInput, TailRequest, TimeInput,
};

use super::support::{LIST_SERIES, OPEN_WINDOWS, POLICIES, Times, holds, path, times};
use crate::core::StatusCode::InvalidArgument;
use crate::core::{Failure, Proof, Reply, Show, case};
use crate::timeseries::{Case, Ctx, Events, event, time};

pub(super) const CASES: &[Case] = &[
    case!(
        "limits::of_an_event_work_at_the_border",
        "An event just at each limit is accepted, and comes back.",
        ["LIM-1", "APP-1"],
        |c| {
            let t = times(c).await?;
            for (at, change) in (0..).zip(AT_THE_LIMIT) {
                let mut input = event(t.at(at), at.to_string());
                change(&mut input);
                let series = input.series.clone();
                c.append([input.clone()]).ok().await?;
                c.query().of(series).from(t.at(at)).to(t.at(at + 1)).ok().await?.holds(&[input])?;
            }
            Ok(())
        }
    ),
    case!(
        "limits::of_an_event_are_refused_beyond_the_border",
        "An event just beyond a limit is refused, its field is named, and nothing is written.",
        ["LIM-1", "APP-4"],
        |c| {
            let t = times(c).await?;
            for (field, change) in BEYOND_THE_LIMIT {
                let mut wrong = event(t.at(1), "wrong");
                change(&mut wrong);
                let failure = c.append([event(t.at(0), "good"), wrong]).fails(InvalidArgument).await?;
                let path = match *field {
                    "series" => "events[1].series".to_owned(),
                    "" => "events[1].event".to_owned(),
                    field => path(1, field),
                };
                names(&failure, &[&path])?;
            }
            holds(c, &[]).await
        }
    ),
    case!(
        "limits::of_names_count_every_byte",
        "Series and ids of the greatest length that differ in their last byte are different ones.",
        ["LIM-1", "APP-9"],
        |c| {
            let t = times(c).await?;
            let names = ["a", "b"].map(|last| format!("{}{last}", "n".repeat(511)));
            let ids = [b'a', b'b'].map(|last| [vec![7; 127], vec![last]].concat());
            for name in &names {
                c.append(ids.iter().map(|id| event(t.at(0), id).payload(name).of(name))).ok().await?;
            }
            for name in &names {
                let expected = ids.each_ref().map(|id| event(t.at(0), id).payload(name).of(name));
                c.query().of(name).ok().await?.holds(&expected)?;
                c.tail().of(name).beginning().ok().await?.holds(&expected)?;
            }
            Ok(())
        }
    ),
    case!("limits::of_an_append_count_its_events", "An Append holds 1 to 1,000 events.", ["LIM-1"], |c| {
        let t = times(c).await?;
        let many = |count: i64| (0..count).map(move |at| event(t.at(at), at.to_string())).collect::<Vec<_>>();
        names(&c.append([]).fails(InvalidArgument).await?, &["events"])?;
        names(&c.append(many(1_001)).fails(InvalidArgument).await?, &["events"])?;
        holds(c, &[]).await?;
        c.append(many(1_000)).ok().await?;
        let read = c.query().without_payload().ok().await?;
        read.same("events", &1_000, &read.events().len())
    }),
    case!(
        "limits::of_an_append_sum_its_bytes",
        "An Append holds 4 MiB of series, ids, payloads, content types and tags.",
        ["LIM-1"],
        |c| {
            let t = times(c).await?;
            // Each event is 1 MiB less 4 KiB, and the rest of the 4 MiB is in the last one.
            let mut events: Vec<_> = (0..4)
                .map(|at| event(t.at(at), at.to_string()).payload(vec![1; (1 << 20) - 4_098]))
                .collect();
            events.push(event(t.at(4), "5").payload(vec![2; (4 << 12) - 10]).typed("t").tag("key", "valu"));
            let beyond = |change: fn(&mut EventInput)| {
                let mut events = events.clone();
                change(&mut events[4]);
                events
            };
            let changes: [fn(&mut EventInput); 5] = [
                |event| event.series.push('s'),
                |event| event.id = Bytes::from_static(b"55"),
                |event| event.payload = vec![2; (4 << 12) - 9].into(),
                |event| event.content_type.push('t'),
                |event| drop(event.tags.insert("key".to_owned(), "value".to_owned())),
            ];
            for change in changes {
                names(&c.append(beyond(change)).fails(InvalidArgument).await?, &["events"])?;
            }
            holds(c, &[]).await?;
            c.append(events.clone()).ok().await?;
            holds(c, &events).await
        }
    ),
    case!(
        "limits::of_times_are_the_years_of_the_contract",
        "A time outside the years 1970 to 9999, malformed, or finer than a microsecond is refused in an Append.",
        ["LIM-2"],
        |c| {
            for (seconds, nanos) in WRONG_TIMES.into_iter().chain([(1, 1), (1, 999), (1, 1_500)]) {
                let mut wrong = event(prism_contract::Timestamp::EPOCH, "x");
                wrong.time = Some(TimeInput { seconds, nanos });
                names(&c.append([wrong]).fails(InvalidArgument).await?, &[&path(0, "time")])?;
            }
            holds(c, &[]).await
        }
    ),
    case!(
        "limits::of_bounds_are_the_years_of_the_contract",
        "A bound outside the years 1970 to 9999 is refused, and its field is named.",
        ["LIM-2"],
        |c| {
            for (seconds, nanos) in WRONG_TIMES {
                let wrong = Some(TimeInput { seconds, nanos });
                let query = c.query().with(|query: &mut QueryRequest| query.start = wrong);
                names(&query.fails(InvalidArgument).await?, &["start"])?;
                let query = c.query().with(|query: &mut QueryRequest| query.end = wrong);
                names(&query.fails(InvalidArgument).await?, &["end"])?;
            }
            Ok(())
        }
    ),
    case!(
        "limits::of_bounds_include_the_last_microsecond",
        "A bound within the last microsecond of the year 9999 is after every event.",
        ["LIM-2", "QRY-1"],
        [POLICIES, OPEN_WINDOWS],
        |c| {
            let last = event(prism_contract::Timestamp::MAX, "last");
            c.append([last.clone()]).ok().await?;
            let end = Some(TimeInput { seconds: 253_402_300_799, nanos: 999_999_999 });
            let query = || c.query().with(move |query: &mut QueryRequest| query.end = end);
            query().ok().await?.holds(std::slice::from_ref(&last))?;
            query().from(prism_contract::Timestamp::MAX).ok().await?.holds(&[last])
        }
    ),
    case!(
        "limits::of_a_query_are_refused_beyond_the_border",
        "A namespace, series or filter beyond its limit is refused in a Query and a Tail, and its field is named.",
        ["LIM-1"],
        |c| {
            let many: TagsInput = (0..17).map(|at| (format!("k{at}"), String::new())).collect();
            for wrong in wrong_tags().into_iter().chain([many]) {
                let tags = wrong.clone();
                let query = c.query().with(move |query: &mut QueryRequest| query.tags = tags);
                names(&query.fails(InvalidArgument).await?, &["tags"])?;
                let tail = c.tail().beginning().with(move |tail: &mut TailRequest| tail.tags = wrong);
                names(&tail.fails(InvalidArgument).await?, &["tags"])?;
            }
            for wrong in ["", "A", "-a", "a b", ".a", &"n".repeat(129)] {
                let query = c.query().with(|query: &mut QueryRequest| query.namespace = wrong.to_owned());
                names(&query.fails(InvalidArgument).await?, &["namespace"])?;
                let tail = c.tail().now().with(|tail: &mut TailRequest| tail.namespace = wrong.to_owned());
                names(&tail.fails(InvalidArgument).await?, &["namespace"])?;
                let append =
                    c.append([]).with(|append: &mut AppendRequest| append.namespace = wrong.to_owned());
                names(&append.fails(InvalidArgument).await?, &["namespace", "events"])?;
            }
            for wrong in ["\0", "a\0b", &"n".repeat(513)] {
                names(&c.query().of(wrong).fails(InvalidArgument).await?, &["series"])?;
                names(&c.tail().of(wrong).now().fails(InvalidArgument).await?, &["series"])?;
            }
            names(&c.query().of("").fails(InvalidArgument).await?, &["series"])
        }
    ),
    case!(
        "limits::of_a_prefix_are_refused_beyond_the_border",
        "A prefix of 512 bytes works, and one of 513 or with NUL is refused.",
        ["LIM-1", "SER-1"],
        [LIST_SERIES],
        |c| {
            let prefix =
                |prefix: String| c.list().with(move |list: &mut ListSeriesRequest| list.prefix = prefix);
            prefix("p".repeat(512)).ok().await?.has::<&str>(&[])?;
            for wrong in ["p".repeat(513), "\0".to_owned()] {
                names(&prefix(wrong).fails(InvalidArgument).await?, &["prefix"])?;
            }
            Ok(())
        }
    ),
    case!(
        "limits::name_each_field_at_fault_once",
        "A refusal lists every field at fault, each once, by its path.",
        ["ERR-1", "LIM-1"],
        |c| {
            let t = times(c).await?;
            let failure = c.append(wrong_in_every_field(t)).fails(InvalidArgument).await?;
            let expected = [
                "events[0].series".to_owned(),
                path(0, "id"),
                path(0, "payload"),
                path(0, "content_type"),
                path(0, "tags"),
                path(2, "time"),
            ];
            names(&failure, &expected.each_ref().map(String::as_str))?;
            failure.has_error_info("INVALID_REQUEST")?;
            let wrong = c.query().of("").with(|query: &mut QueryRequest| {
                query.namespace.clear();
                query.tags.insert("K".to_owned(), String::new());
                query.start = Some(TimeInput { seconds: -1, nanos: 0 });
            });
            names(&wrong.fails(InvalidArgument).await?, &["namespace", "series", "start", "tags"])
        }
    ),
    case!(
        "limits::count_what_they_do_not_list",
        "Where not all violations are listed, the last one says how many others there are.",
        ["ERR-1"],
        |c| {
            let t = times(c).await?;
            let wrong = (0..50).map(|at| event(t.at(at), at.to_string()).of(""));
            let failure = c.append(wrong).fails(InvalidArgument).await?;
            let listed = failure.violations.len();
            if listed == 50 {
                return Ok(());
            }
            let last = failure.violations.last().map(|last| (last.field.clone(), last.description.clone()));
            let expected = ("...".to_owned(), format!("{} more violations are not listed", 51 - listed));
            failure.same("the last violation", &Some(expected), &last)
        }
    ),
    case!(
        "limits::are_published",
        "Describe publishes limits, and none above those of the contract.",
        ["LIM-1", "CAP-1"],
        |c| { published(c).await }
    ),
];

type Change = fn(&mut EventInput);

const AT_THE_LIMIT: &[Change] = &[
    |event| event.series = "n".repeat(512),
    |event| event.series = "é".repeat(256),
    |event| event.id = vec![0; 128].into(),
    |event| event.id = vec![0xff].into(),
    |event| event.payload = vec![7; 1 << 20].into(),
    |event| event.content_type = "t".repeat(127),
    |event| event.tags = (0..16).map(|at| (format!("k{at:02}"), at.to_string())).collect(),
    |event| event.tags = [("k".repeat(64), "v".repeat(256))].into(),
    |event| event.tags = [("09az._-".to_owned(), "é".repeat(128))].into(),
];

const BEYOND_THE_LIMIT: &[(&str, Change)] = &[
    ("series", |event| event.series = "n".repeat(513)),
    ("series", |event| event.series.clear()),
    ("series", |event| event.series = "a\0".to_owned()),
    ("", |event| event.is_missing = true),
    ("id", |event| event.id = vec![0; 129].into()),
    ("payload", |event| event.payload = vec![7; (1 << 20) + 1].into()),
    ("content_type", |event| event.content_type = "t".repeat(128)),
    ("content_type", |event| event.content_type = "\0".to_owned()),
    ("tags", |event| event.tags = (0..17).map(|at| (format!("k{at:02}"), at.to_string())).collect()),
    ("tags", |event| event.tags = [("k".repeat(65), String::new())].into()),
    ("tags", |event| event.tags = [("k".to_owned(), "v".repeat(257))].into()),
    ("tags", |event| event.tags = [("k".to_owned(), "\0".to_owned())].into()),
    ("tags", |event| event.tags = [("K".to_owned(), String::new())].into()),
    ("tags", |event| event.tags = [("é".to_owned(), String::new())].into()),
    ("tags", |event| event.tags = [(String::new(), String::new())].into()),
];

/// Seconds and nanoseconds that are no time of the contract.
const WRONG_TIMES: [(i64, i32); 7] = [
    (-1, 0),
    (-1, 999_999_999),
    (253_402_300_800, 0),
    (i64::MIN, 0),
    (i64::MAX, 0),
    (0, -1),
    (0, 1_000_000_000),
];

fn wrong_tags() -> [TagsInput; 4] {
    let tag = |key: &str, value: &str| TagsInput::from([(key.to_owned(), value.to_owned())]);
    [tag("K", ""), tag("", ""), tag("k", "\0"), tag("k", &"v".repeat(257))]
}

fn wrong_in_every_field(t: Times) -> Vec<EventInput> {
    let first = EventInput {
        series: String::new(),
        time: Some(time(t.at(0))),
        id: vec![0; 129].into(),
        payload: vec![0; (1 << 20) + 1].into(),
        content_type: "\0".to_owned(),
        tags: [("K".to_owned(), "\0".to_owned())].into(),
        is_missing: false,
    };
    let mut third = event(t.at(0), "third").of("other");
    third.time = Some(TimeInput { seconds: 0, nanos: 1 });
    vec![first, event(t.at(0), "good"), third]
}

/// A refusal of exactly these fields, in whatever order.
fn names(failure: &Reply<Failure>, fields: &[&str]) -> Proof {
    let mut expected: Vec<_> = fields.iter().map(|field| (*field).to_owned()).collect();
    let mut actual: Vec<_> = failure.violations.iter().map(|violation| violation.field.clone()).collect();
    expected.sort();
    actual.sort();
    failure.same("fields", &expected, &actual)
}

async fn published(c: &Ctx) -> Proof {
    let described = c.describe(&crate::timeseries::policies::FREE).await?;
    let (own, most) = (described.limits, prism_contract::timeseries::Limits::V1);
    let pairs = [
        (own.series_bytes, most.series_bytes),
        (own.id_bytes, most.id_bytes),
        (own.payload_bytes, most.payload_bytes),
        (own.tags, most.tags),
        (own.append_events, most.append_events),
        (own.append_bytes, most.append_bytes),
        (own.message_events, most.message_events),
        (own.message_bytes, most.message_bytes),
        (own.buckets, most.buckets),
    ];
    let within = pairs.iter().all(|(own, most)| (1..=*most).contains(own));
    described.expect(within, format!("limits from 1 to {}", most.show()), own.show())
}
