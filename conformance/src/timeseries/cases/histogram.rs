//! Histogram: counts by time.

use std::time::Duration;

use prism_contract::timeseries::request::{DurationInput, HistogramRequest};

use super::support::{DELETE, HISTOGRAM, MICRO, times};
use crate::core::StatusCode::InvalidArgument;
use crate::core::case;
use crate::timeseries::{Case, Events, event};

pub(super) const CASES: &[Case] = &[
    case!(
        "histogram::counts_what_a_query_answers",
        "The counts of a Histogram are those of a Query, for every width of its buckets.",
        ["HIS-1"],
        [HISTOGRAM],
        |c| {
            let t = times(c).await?;
            let offsets = [0, 1, 1, 4, 9, 10, 11, 19, 20, 29, 30, 35];
            let events = (0..).zip(offsets).map(|(at, by)| {
                event(t.at(by), format!("{at:02}"))
                    .payload(vec![1; at])
                    .tag("parity", if at % 2 == 0 { "0" } else { "1" })
            });
            c.append(events).ok().await?;
            for width in [1, 3, 10, 29, 30, 1_000] {
                let (start, end) = (0, 30);
                let mut expected = Vec::new();
                let mut from = start;
                while from < end {
                    let to = (from + width).min(end);
                    let read = c.query().from(t.at(from)).to(t.at(to)).ok().await?.events();
                    if !read.is_empty() {
                        let bytes = read.iter().map(|event| event.payload.len() as u64).sum();
                        expected.push((t.at(from), read.len() as u64, bytes));
                    }
                    from += width;
                }
                let bucket = Duration::from_micros(u64::try_from(width).unwrap_or(1));
                c.histogram().from(t.at(start)).to(t.at(end)).bucket(bucket).ok().await?.counts(&expected)?;
            }
            Ok(())
        }
    ),
    case!(
        "histogram::buckets_begin_at_the_start",
        "Buckets begin at start + k × bucket, the last one may be shorter, and empty ones are left out.",
        ["HIS-1"],
        [HISTOGRAM],
        |c| {
            let t = times(c).await?;
            for (at, id) in [(2, "a"), (3, "b"), (7, "c"), (11, "d"), (12, "e"), (26, "f"), (27, "g")] {
                c.append([event(t.at(at), id)]).ok().await?;
            }
            let ten = Duration::from_micros(5);
            let read = c.histogram().from(t.at(2)).to(t.at(27)).bucket(ten).ok().await?;
            let expected = [(t.at(2), 2, 2), (t.at(7), 2, 2), (t.at(12), 1, 1), (t.at(22), 1, 1)];
            read.counts(&expected)?;
            c.histogram()
                .from(t.at(3))
                .to(t.at(8))
                .bucket(Duration::from_micros(4))
                .ok()
                .await?
                .counts(&[(t.at(3), 1, 1), (t.at(7), 1, 1)])
        }
    ),
    case!(
        "histogram::counts_events_with_each_tag",
        "A Histogram with tags counts the events that have each of them.",
        ["HIS-1", "QRY-3"],
        [HISTOGRAM],
        |c| {
            let t = times(c).await?;
            let events = [
                event(t.at(0), "a").tag("k", "1"),
                event(t.at(1), "b").tag("k", "1").tag("l", "1").payload("four"),
                event(t.at(2), "c").tag("l", "1"),
                event(t.at(3), "d"),
            ];
            c.append(events).ok().await?;
            let of = || c.histogram().from(t.at(0)).to(t.at(10)).bucket(MICRO * 10);
            of().ok().await?.counts(&[(t.at(0), 4, 7)])?;
            of().tagged("k", "1").ok().await?.counts(&[(t.at(0), 2, 5)])?;
            of().tagged("k", "1").tagged("l", "1").ok().await?.counts(&[(t.at(0), 1, 4)])?;
            of().tagged("k", "2").ok().await?.counts(&[])
        }
    ),
    case!(
        "histogram::of_nothing_is_one_message",
        "A Histogram of nothing is one message without buckets.",
        ["HIS-1"],
        [HISTOGRAM],
        |c| {
            let t = times(c).await?;
            c.append([event(t.at(10), "x"), event(t.at(0), "y").of("other")]).ok().await?;
            let read = c.histogram().from(t.at(0)).to(t.at(10)).bucket(MICRO).ok().await?;
            read.same("messages", &1, &read.len())?;
            read.counts(&[])
        }
    ),
    case!(
        "histogram::leaves_out_what_was_deleted",
        "A deleted event is counted in no Histogram.",
        ["HIS-1", "DEL-1"],
        [HISTOGRAM, DELETE],
        |c| {
            let t = times(c).await?;
            c.append((0..4).map(|at| event(t.at(at), at.to_string()))).ok().await?;
            c.delete().from(t.at(1)).to(t.at(3)).ok().await?.counts(2)?;
            let of = c.histogram().from(t.at(0)).to(t.at(4)).bucket(MICRO * 2);
            of.ok().await?.counts(&[(t.at(0), 1, 1), (t.at(2), 1, 1)])
        }
    ),
    case!(
        "histogram::has_up_to_ten_thousand_buckets",
        "A Histogram of 10,000 buckets works, in messages of at most 1,000, and one of more is refused.",
        ["HIS-2", "LIM-1"],
        [HISTOGRAM],
        |c| {
            let t = times(c).await?;
            let at = |of: i64| event(t.at(of * 10), of.to_string());
            c.append((0..1_000).map(at)).ok().await?;
            c.append((1_000..1_200).map(at)).ok().await?;
            let bucket = MICRO * 10;
            let read = c.histogram().from(t.at(0)).to(t.at(100_000)).bucket(bucket).ok().await?;
            let most = read.iter().map(|message| message.buckets.len()).max().unwrap_or(0);
            read.expect(most <= 1_000, "at most 1000 buckets in a message", most.to_string())?;
            let buckets: usize = read.iter().map(|message| message.buckets.len()).sum();
            read.same("buckets", &1_200, &buckets)?;
            // A part of a bucket is one.
            let failure =
                c.histogram().from(t.at(0)).to(t.at(100_001)).bucket(bucket).fails(InvalidArgument).await?;
            let fields: Vec<_> = failure.violations.iter().map(|of| of.field.as_str()).collect();
            failure.same("fields", &vec!["bucket"], &fields)?;
            c.histogram().from(t.at(0)).to(t.at(99_999)).bucket(bucket).ok().await.map(drop)
        }
    ),
    case!(
        "histogram::refuses_what_is_no_histogram",
        "A bucket of 0, a negative or a finer one, an empty range, or a missing bound or bucket is refused.",
        ["HIS-2", "LIM-2"],
        [HISTOGRAM],
        |c| {
            let t = times(c).await?;
            let good = || c.histogram().from(t.at(0)).to(t.at(10)).bucket(MICRO);
            let width = |seconds, nanos| {
                let bucket = Some(DurationInput { seconds, nanos });
                good().with(move |request: &mut HistogramRequest| request.bucket = bucket)
            };
            good().ok().await?.counts(&[])?;
            let calls = [
                (width(0, 0), "bucket"),
                (width(-1, 0), "bucket"),
                (width(0, -1_000), "bucket"),
                (width(0, 1), "bucket"),
                (width(0, 1_500), "bucket"),
                (width(1, -1), "bucket"),
                (width(0, 1_000_000_000), "bucket"),
                (good().with(|request: &mut HistogramRequest| request.bucket = None), "bucket"),
                (good().with(|request: &mut HistogramRequest| request.start = None), "start"),
                (good().with(|request: &mut HistogramRequest| request.end = None), "end"),
                (good().from(t.at(10)), "end"),
                (good().from(t.at(11)), "end"),
            ];
            for (call, field) in calls {
                let failure = call.fails(InvalidArgument).await?;
                let fields: Vec<_> = failure.violations.iter().map(|of| of.field.as_str()).collect();
                failure.same("fields", &vec![field], &fields)?;
            }
            Ok(())
        }
    ),
];
