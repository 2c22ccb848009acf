//! Scan: a stream that can be cut anywhere and resumed there.

use prism_contract::keyvalue::Entry;
use prism_contract::keyvalue::request::ScanResponse;

use super::support::{EXPIRY, NAMESPACE_SCAN, REVERSE, entries, expire_tick, finds_nothing, numbered};
use crate::core::{Proof, Reply, Stop, case};
use crate::keyvalue::{Case, Ctx, ScanCall, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "scan::answers_every_record",
        "Scan of a namespace answers every item of every record.",
        ["SCAN-1", "CAP-1"],
        [NAMESPACE_SCAN],
        |c| {
            put_records(c).await?;
            c.scan().ok().await?.has_keys(&RECORDS)?;
            c.scan().page_of(1).ok().await?.has_keys(&RECORDS)
        }
    ),
    case!(
        "scan::of_an_id_answers_that_record_only",
        "Scan of an id answers that record alone.",
        ["SCAN-1"],
        |c| {
            put_records(c).await?;
            c.scan().on("a").ok().await?.has_keys(&RECORDS[..3])?;
            c.scan().on("ab").ok().await?.has_keys(&RECORDS[3..4])?;
            c.scan().on("a").page_of(1).ok().await?.has_keys(&RECORDS[..3])
        }
    ),
    case!(
        "scan::resumes_after_every_message",
        "A Scan of a record resumed after any message yields the rest exactly.",
        ["SCAN-1"],
        |c| {
            c.put(numbered(7)).ok().await?;
            for limit in [1, 2, 3] {
                resumes(c, || c.scan().on("r").page_of(limit)).await?;
            }
            resumes(c, || c.scan().on("r").page_bytes(250)).await
        }
    ),
    case!(
        "scan::of_a_namespace_resumes_after_every_message",
        "A Scan of a namespace resumed after any message yields the rest exactly, within a record and between two.",
        ["SCAN-1"],
        [NAMESPACE_SCAN],
        |c| {
            put_records(c).await?;
            for limit in [1, 2, 3, 4] {
                resumes(c, || c.scan().page_of(limit)).await?;
            }
            resumes(c, || c.scan().page_bytes(250)).await
        }
    ),
    case!(
        "scan::in_reverse_resumes_after_every_message",
        "In reverse, too, a Scan resumed after any message yields the rest exactly.",
        ["SCAN-1", "ORD-2"],
        [REVERSE],
        |c| {
            c.put(numbered(7)).ok().await?;
            resumes(c, || c.scan().on("r").reverse().page_of(1)).await?;
            resumes(c, || c.scan().on("r").reverse().page_of(3)).await
        }
    ),
    case!(
        "scan::of_a_namespace_in_reverse_resumes_after_every_message",
        "In reverse, too, a namespace's Scan resumed after any message yields the rest exactly.",
        ["SCAN-1", "ORD-2"],
        [REVERSE, NAMESPACE_SCAN],
        |c| {
            put_records(c).await?;
            resumes(c, || c.scan().reverse().page_of(1)).await?;
            resumes(c, || c.scan().reverse().page_of(2)).await
        }
    ),
    case!(
        "scan::can_be_let_go",
        "A Scan that its client lets go of resumes with the last token it read.",
        ["SCAN-1"],
        |c| {
            c.put(numbered(7)).ok().await?;
            let whole = entries(&c.scan().on("r").ok().await?);
            for messages in 1..=4 {
                let cut = c.scan().on("r").page_of(2).cut_after(messages).ok().await?;
                let mut read = entries(&cut);
                let token = cut.resume_token();
                if !token.is_empty() {
                    read.extend(entries(&c.scan().on("r").page_of(2).resume(&token).ok().await?));
                }
                cut.same("entries before and after the cut", &whole, &read)?;
            }
            Ok(())
        }
    ),
    case!(
        "scan::of_every_predicate_resumes",
        "A Scan with a predicate resumes within it.",
        ["SCAN-1", "PRED-1"],
        |c| {
            c.put(items(["a", "b", "ba", "bb", "bc", "c", "d"].map(|key| (key, "v")))).ok().await?;
            resumes(c, || c.scan().on("r").range("b", "c").page_of(1)).await?;
            resumes(c, || c.scan().on("r").prefix("b").page_of(1)).await?;
            resumes(c, || c.scan().on("r").keys(["d", "a", "x", "bb", "ba", "a"]).page_of(1)).await
        }
    ),
    case!(
        "scan::ends_without_a_token",
        "The last message of a Scan comes without a token.",
        ["SCAN-1", "PAGE-5"],
        |c| {
            c.put(numbered(4)).ok().await?;
            c.put_one("x", "gone").ok().await?;
            c.delete().keys(["x"]).ok().await?;
            for limit in [1, 2, 3, 4, 5] {
                ends(&c.scan().on("r").page_of(limit).ok().await?)?;
            }
            ends(&c.scan().on("r").range("k", "k0002").page_of(2).ok().await?)
        }
    ),
    case!(
        "scan::of_nothing_is_one_empty_message",
        "A Scan that finds nothing is one empty message without a token.",
        ["SCAN-1"],
        |c| {
            finds_nothing(&c.scan().on("r").ok().await?)?;
            c.put_one("k", "v").ok().await?;
            finds_nothing(&c.scan().on("r").prefix("x").ok().await?)?;
            finds_nothing(&c.scan().on("r").range("l", "").page_of(1).limit(1).ok().await?)?;
            finds_nothing(&c.scan().on("other").ok().await?)
        }
    ),
    case!(
        "scan::of_an_empty_namespace_is_one_empty_message",
        "A Scan of an empty namespace is one empty message without a token.",
        ["SCAN-1"],
        [NAMESPACE_SCAN],
        |c| {
            finds_nothing(&c.scan().ok().await?)?;
            put_records(c).await?;
            finds_nothing(&c.scan().prefix("x").page_of(1).ok().await?)
        }
    ),
    case!(
        "scan::of_a_large_record_comes_whole",
        "A Scan of more items than a page holds comes whole.",
        ["SCAN-1", "PAGE-1"],
        |c| {
            let all = numbered(1_005);
            for part in all.chunks(1_000) {
                c.put(part.to_vec()).ok().await?;
            }
            let expected: Vec<_> = all.iter().map(|item| ("r", item.key.as_ref())).collect();
            c.scan().on("r").ok().await?.has_keys(&expected)
        }
    ),
    case!(
        "scan::holds_its_place_while_others_are_written",
        "A resumed Scan neither misses nor repeats untouched items.",
        ["PAGE-2", "SCAN-1"],
        [NAMESPACE_SCAN],
        |c| {
            put_records(c).await?;
            let mut read: Vec<Entry> = Vec::new();
            let mut token = bytes::Bytes::new();
            for round in 0..100 {
                let cut = c.scan().page_of(2).resume(&token).cut_after(1).ok().await?;
                read.extend(cut.entries().cloned());
                token = cut.resume_token();
                if token.is_empty() {
                    break;
                }
                for id in ["a", "a0", "aa", "d"] {
                    c.put_one(format!("new {}", round % 4), "v").on(id).ok().await?;
                }
                c.delete().keys(["k"]).on("ab").ok().await?;
            }
            let untouched = RECORDS.into_iter().filter(|(id, _)| *id != "ab");
            let expected: Vec<_> = untouched.map(|(id, key)| (id.to_owned(), key.to_owned())).collect();
            let seen = read.iter().map(|entry| {
                (entry.id.as_str().to_owned(), String::from_utf8_lossy(&entry.item.key).into_owned())
            });
            let seen: Vec<_> = seen.filter(|(id, key)| id != "ab" && !key.starts_with("new")).collect();
            c.same("untouched entries", &expected, &seen)
        }
    ),
    case!(
        "scan::outlives_the_record_its_token_points_at",
        "Deleting the record a resume token points at does no harm.",
        ["PAGE-3"],
        [NAMESPACE_SCAN],
        |c| {
            put_records(c).await?;
            // One entry to a message: the fourth is the only item of `ab`, the fifth the first of `b`.
            let tokens: Vec<_> =
                c.scan().page_of(1).ok().await?.iter().map(|message| message.resume_token.clone()).collect();
            c.same("messages", &9, &tokens.len())?;
            c.delete().all().on("ab").ok().await?.counts(1)?;
            c.delete().all().on("a").ok().await?.counts(3)?;
            for at in [0, 2, 3] {
                c.scan().resume(&tokens[at]).ok().await?.has_keys(&RECORDS[4..])?;
            }
            c.delete().all().on("b").ok().await?.counts(2)?;
            c.scan().resume(&tokens[4]).ok().await?.has_keys(&RECORDS[6..])
        }
    ),
    case!(
        "scan::obeys_its_limit",
        "limit bounds the entries of all messages together, and is reached.",
        ["SCAN-2"],
        |c| {
            c.put(numbered(7)).ok().await?;
            for limit in [1, 2, 3, 5, 6] {
                let keys: Vec<_> = (0..limit).map(|at| ("r", format!("k{at:04}"))).collect();
                for page in [0, 1, 2, 3, 100] {
                    let scan = c.scan().on("r").page_of(page).limit(limit).ok().await?;
                    scan.has_keys(&keys)?;
                }
            }
            Ok(())
        }
    ),
    case!(
        "scan::obeys_its_limit_across_records",
        "limit counts across the records of a namespace.",
        ["SCAN-2"],
        [NAMESPACE_SCAN],
        |c| {
            put_records(c).await?;
            for limit in 1..=9 {
                cut_and_resume(|| c.scan().page_of(2), limit).await?;
            }
            Ok(())
        }
    ),
    case!(
        "scan::cut_by_its_limit_has_a_token",
        "A Scan cut by its limit has a token, and the rest follows.",
        ["SCAN-2"],
        |c| {
            c.put(numbered(7)).ok().await?;
            for (page, limit) in [(1, 3), (2, 4), (2, 3), (3, 6), (0, 5)] {
                cut_and_resume(|| c.scan().on("r").page_of(page), limit).await?;
            }
            Ok(())
        }
    ),
    case!(
        "scan::that_meets_its_limit_exactly_has_no_token",
        "A limit that all entries just meet leaves no token.",
        ["SCAN-2", "PAGE-5"],
        |c| {
            c.put(numbered(4)).ok().await?;
            for (page, limit) in [(1, 4), (2, 4), (0, 4), (3, 5), (2, 1_000)] {
                cut_and_resume(|| c.scan().on("r").page_of(page), limit).await?;
            }
            let unlimited = c.scan().on("r").limit(u64::MAX).ok().await?;
            unlimited.same("entries", &4, &unlimited.entries().count())
        }
    ),
    case!("scan::without_a_limit_answers_all", "A limit of 0 means all.", ["SCAN-2"], |c| {
        c.put(numbered(7)).ok().await?;
        let scan = c.scan().on("r").page_of(2).limit(0).ok().await?;
        scan.same("entries", &7, &scan.entries().count())
    }),
    case!(
        "scan::does_not_count_expired_items",
        "Expired items are neither answered by Scan nor counted by its limit.",
        ["TTL-1", "SCAN-2"],
        [EXPIRY],
        |c| {
            c.put(numbered(6)).ttl(c.tick()).ok().await?;
            c.put(items(["k0001", "k0003", "k0009"].map(|key| (key, "kept")))).ok().await?;
            expire_tick(c).await?;
            c.scan().on("r").limit(2).ok().await?.has_keys(&[("r", "k0001"), ("r", "k0003")])?;
            let all = c.scan().on("r").page_of(1).limit(3).ok().await?;
            all.has_keys(&[("r", "k0001"), ("r", "k0003"), ("r", "k0009")])?;
            all.same("more is left", &false, &!all.resume_token().is_empty())
        }
    ),
];

/// Every message but the last must have a token that yields exactly the rest; the last has none.
async fn resumes<'c>(c: &'c Ctx, call: impl Fn() -> ScanCall<'c>) -> Proof {
    let whole = call().ok().await?;
    let messages: &[ScanResponse] = &whole;
    for (at, message) in messages.iter().enumerate() {
        let last = at + 1 == messages.len();
        let actual = if message.resume_token.is_empty() { "none" } else { "a token" };
        let expected = if last { "none" } else { "a token" };
        whole.same(&format!("resume token of message {at}"), &expected, &actual)?;
        if !last {
            let rest = call().resume(&message.resume_token).ok().await?;
            rest.same("entries", &entries(&messages[at + 1..]), &entries(&rest))?;
        }
    }
    c.same("a stream of several messages", &true, &(messages.len() > 2))
}

async fn put_records(c: &Ctx) -> Proof {
    for (id, keys) in
        [("a", &["j", "k", "l"][..]), ("ab", &["k"]), ("b", &["a", "k"]), ("c", &["k", "l", "m"])]
    {
        c.put(items(keys.iter().map(|key| (key, "v")))).on(id).ok().await?;
    }
    Ok(())
}

const RECORDS: [(&str, &str); 9] = [
    ("a", "j"),
    ("a", "k"),
    ("a", "l"),
    ("ab", "k"),
    ("b", "a"),
    ("b", "k"),
    ("c", "k"),
    ("c", "l"),
    ("c", "m"),
];

/// Only the last message may be without a token, and no message may be empty.
fn ends(scan: &Reply<Vec<ScanResponse>>) -> Proof {
    let tokens: Vec<_> = scan.iter().map(|message| !message.resume_token.is_empty()).collect();
    let expected: Vec<_> = (1..=tokens.len()).map(|at| at < tokens.len()).collect();
    scan.same("messages with tokens", &expected, &tokens)?;
    scan.same("empty messages", &0, &scan.iter().filter(|message| message.entries.is_empty()).count())
}

/// Reads with `limit` and resumes to the end; the first stream must hold exactly `limit` entries, or all if fewer.
async fn cut_and_resume<'c>(call: impl Fn() -> ScanCall<'c>, limit: usize) -> Result<(), Stop> {
    let whole = entries(&call().ok().await?);
    let cut = call().limit(limit as u64).ok().await?;
    let reached = limit.min(whole.len());
    cut.same("entries", &whole[..reached].to_vec(), &entries(&cut))?;
    cut.same("more is left", &(reached < whole.len()), &!cut.resume_token().is_empty())?;
    if reached < whole.len() {
        let rest = call().resume(&cut.resume_token()).ok().await?;
        rest.same("the rest", &whole[reached..].to_vec(), &entries(&rest))?;
    }
    Ok(())
}
