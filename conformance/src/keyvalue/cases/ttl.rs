//! The ttl of a Put: the accepted durations, and the resulting expires_at.

use std::time::Duration;

use prism_contract::Timestamp;
use prism_contract::keyvalue::request::Ttl;

use super::support::{EXPIRY, HOUR, MANUAL_CLOCK, MICRO, expire_tick, unchanged};
use crate::core::StatusCode::InvalidArgument;
use crate::core::{Proof, case};
use crate::keyvalue::{Case, Ctx, item, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "ttl::is_answered_as_expires_at",
        "expires_at is the moment of the Put plus its ttl, and absent without one.",
        ["TTL-1", "PUT-5"],
        [EXPIRY],
        |c| {
            c.put_one("mortal", "v").ttl(HOUR + MICRO * 7).ok().await?;
            c.put_one("immortal", "v").ok().await?;
            let read = c.get().ok().await?;
            let mortal = read.item("mortal")?;
            let due = mortal.updated_at.saturating_add(HOUR + MICRO * 7);
            read.same("expires_at", &Some(due), &mortal.expires_at)?;
            read.same("expires_at", &None, &read.item("immortal")?.expires_at)
        }
    ),
    case!(
        "ttl::left_out_clears_the_expiry",
        "A Put without ttl clears the item's expiry.",
        ["TTL-2"],
        [EXPIRY],
        |c| {
            c.put_one("k", "mortal").ttl(c.tick()).ok().await?;
            c.put_one("k", "immortal").ok().await?;
            let read = c.get().ok().await?;
            read.same("expires_at", &None, &read.item("k")?.expires_at)?;
            c.advance(c.tick() * 2).await?;
            c.get().ok().await?.holds(&[("k", "immortal")])
        }
    ),
    case!(
        "ttl::replaces_the_one_before",
        "A Put with another ttl replaces the expiry, be it later or sooner.",
        ["TTL-2", "PUT-1"],
        [EXPIRY],
        |c| {
            c.put_one("later", "1").ttl(c.tick()).ok().await?;
            c.put_one("later", "2").ttl(HOUR).ok().await?;
            c.put_one("sooner", "1").ttl(HOUR).ok().await?;
            c.put_one("sooner", "2").ttl(c.tick()).ok().await?;
            expire_tick(c).await?;
            let read = c.get().ok().await?;
            read.holds(&[("later", "2")])?;
            let item = read.item("later")?;
            read.same("expires_at", &Some(item.updated_at.saturating_add(HOUR)), &item.expires_at)
        }
    ),
    case!(
        "ttl::leaves_nothing_to_a_new_life",
        "An item made anew after an expiry inherits neither its expiry nor its metadata.",
        ["TTL-2", "PUT-1"],
        [EXPIRY],
        |c| {
            let mut typed = item("k", "mortal");
            (typed.content_type, typed.compression) = ("text/plain".to_owned(), 3);
            c.put([typed]).ttl(c.tick()).ok().await?;
            expire_tick(c).await?;
            c.put_one("k", "anew").ok().await?;
            let read = c.get().ok().await?;
            let item = read.item("k")?;
            let anew = (item.expires_at, item.content_type.as_str(), item.compression);
            read.same("expires_at, content_type and compression", &(None, "", 0), &anew)
        }
    ),
    case!(
        "ttl::that_is_not_positive_is_refused",
        "A ttl of 0 or less is refused, and nothing is written.",
        ["TTL-3", "PUT-6"],
        |c| { refuses(c, &[(0, 0), (-1, 0), (0, -1), (-1, -1), (-3_600, 0), (-200_000_000_000, 0)]).await }
    ),
    case!(
        "ttl::that_is_malformed_is_refused",
        "A ttl whose nanoseconds are a second or more, or of another sign, is refused.",
        ["TTL-3"],
        |c| { refuses(c, &[(1, -1), (-1, 1), (0, 1_000_000_000), (1, i32::MAX), (1, i32::MIN)]).await }
    ),
    case!(
        "ttl::past_the_year_9999_is_refused",
        "A ttl that would end after the year 9999 is refused.",
        ["TTL-3"],
        |c| { refuses(c, &[(315_576_000_000, 0), (253_402_300_800, 0), (i64::MAX, 999_999_999)]).await }
    ),
    case!(
        "ttl::to_the_end_of_the_year_9999_is_taken",
        "A ttl that ends with the year 9999 is taken, and one a microsecond longer is refused.",
        ["TTL-3"],
        [EXPIRY, MANUAL_CLOCK],
        |c| {
            c.put_one("k", "v").ok().await?;
            let now = c.get().ok().await?.item("k")?.updated_at;
            let left = u64::try_from(Timestamp::MAX.as_micros() - now.as_micros()).unwrap_or_default();
            let left = Duration::from_micros(left);
            c.put_one("k", "v").ttl(left).ok().await?;
            let read = c.get().ok().await?;
            read.same("expires_at", &Some(Timestamp::MAX), &read.item("k")?.expires_at)?;
            c.put_one("k", "v").ttl(left + MICRO).fails(InvalidArgument).await?;
            c.put_one("k", "v").ttl(left + Duration::from_nanos(1)).fails(InvalidArgument).await.map(drop)
        }
    ),
    case!(
        "ttl::of_thousands_of_years_is_kept",
        "A ttl of thousands of years is kept to the microsecond.",
        ["TTL-3", "TTL-1"],
        [EXPIRY],
        |c| {
            let span = Duration::new(200_000_000_000, 123_456_000);
            c.put_one("k", "v").ttl(span).ok().await?;
            let read = c.get().ok().await?;
            let item = read.item("k")?;
            read.same("expires_at", &Some(item.updated_at.saturating_add(span)), &item.expires_at)
        }
    ),
    case!(
        "ttl::is_rounded_up_to_a_microsecond",
        "A ttl is rounded up to a whole microsecond.",
        ["TTL-3"],
        [EXPIRY],
        |c| {
            for (nanos, micros) in [(1, 1), (999, 1), (1_000, 1), (1_001, 2), (999_999_001, 1_000_000)] {
                c.put_one("k", "v").ttl(HOUR + Duration::from_nanos(nanos)).ok().await?;
                let read = c.get().ok().await?;
                let item = read.item("k")?;
                let due = item.updated_at.saturating_add(HOUR + MICRO * micros);
                read.same(&format!("expires_at for 1 h and {nanos} ns"), &Some(due), &item.expires_at)?;
            }
            Ok(())
        }
    ),
    case!(
        "ttl::of_a_nanosecond_lasts_a_microsecond",
        "An item with a ttl of a nanosecond is live for a microsecond.",
        ["TTL-3", "TTL-1"],
        [EXPIRY, MANUAL_CLOCK],
        |c| {
            c.put_one("k", "v").ttl(Duration::from_nanos(1)).ok().await?;
            c.get().ok().await?.holds(&[("k", "v")])?;
            c.advance(MICRO).await?;
            c.get().ok().await?.is_empty()
        }
    ),
];

/// Each of these ttls must be refused and leave the record as it was.
async fn refuses(c: &Ctx, ttls: &[(i64, i32)]) -> Proof {
    c.put_one("k", "kept").ok().await?;
    let before = c.get().ok().await?;
    for &(seconds, nanos) in ttls {
        let put = c.put(items([("j", "new"), ("k", "new")]));
        put.with(|put| put.ttl = Some(Ttl { seconds, nanos })).fails(InvalidArgument).await?;
        unchanged(c, &before).await?;
    }
    Ok(())
}
