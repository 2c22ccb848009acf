//! Page tokens: they keep their position whatever is written, and are valid for one request only.

use bytes::Bytes;

use super::support::{CRASH, NAMESPACE_SCAN, RESTART, REVERSE, joined};
use crate::core::StatusCode::InvalidArgument;
use crate::core::{Ability, Failure, Proof, Reply, Restart, Stop, case};
use crate::keyvalue::{Case, Ctx, GetCall, Need, ScanCall, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "page_token::malformed_is_refused",
        "A malformed token is refused in Get and Scan.",
        ["PAGE-4"],
        |c| {
            letters(c).await?;
            let token = token_after(1, || c.get()).await?;
            let reversed: Vec<u8> = token.iter().rev().copied().collect();
            let malformed: [&[u8]; 7] =
                [b"not a token", b"\0", b"b", &[0xFF; 64], &[0; 4_097], &token[..1], &reversed];
            for invalid in malformed.map(Bytes::copy_from_slice) {
                c.get().page(&invalid).fails(InvalidArgument).await?;
                c.scan().on("r").resume(&invalid).fails(InvalidArgument).await?;
            }
            Ok(())
        }
    ),
    case!(
        "page_token::of_another_namespace_is_refused",
        "A token from another namespace is refused.",
        ["PAGE-4"],
        |c| {
            letters(c).await?;
            c.put(items(LETTERS.map(|key| (key, "v")))).within("b").ok().await?;
            let token = token_after(1, || c.get()).await?;
            c.get().within("b").page(&token).fails(InvalidArgument).await?;
            let resume = resume_token(c.scan().on("r")).await?;
            c.scan().on("r").within("b").resume(&resume).fails(InvalidArgument).await.map(drop)
        }
    ),
    case!("page_token::of_another_id_is_refused", "A token from another id is refused.", ["PAGE-4"], |c| {
        for id in ["r", "rr", "R"] {
            c.put(items(LETTERS.map(|key| (key, "v")))).on(id).ok().await?;
        }
        let token = token_after(1, || c.get()).await?;
        let resume = resume_token(c.scan().on("r")).await?;
        for id in ["rr", "R", "absent"] {
            c.get().on(id).page(&token).fails(InvalidArgument).await?;
            c.scan().on(id).resume(&resume).fails(InvalidArgument).await?;
        }
        Ok(())
    }),
    case!(
        "page_token::of_another_predicate_is_refused",
        "A token from another predicate is refused.",
        ["PAGE-4"],
        |c| {
            letters(c).await?;
            c.put_one("ab", "v").ok().await?;
            // Three different predicates, although each of them selects every item (PAGE-4).
            let kinds: [Choice; 9] = [
                |get| get.all(),
                |get| get.prefix(""),
                |get| get.range("", ""),
                |get| get.keys(["a", "b", "c", "d"]),
                |get| get.keys(["a", "b", "c", "e"]),
                |get| get.range("a", "e"),
                |get| get.range("a", "f"),
                |get| get.range("", "e"),
                |get| get.prefix("a"),
            ];
            for (at, own) in kinds.iter().enumerate() {
                let token = token_after(1, || own(c.get())).await?;
                own(c.get()).page(&token).ok().await?;
                for (_, other) in kinds.iter().enumerate().filter(|(other, _)| *other != at) {
                    other(c.get()).page(&token).fails(InvalidArgument).await?;
                }
            }
            let resume = resume_token(c.scan().on("r").prefix("a")).await?;
            c.scan().on("r").range("a", "e").resume(&resume).fails(InvalidArgument).await.map(drop)
        }
    ),
    case!(
        "page_token::of_the_same_predicate_in_other_words_is_taken",
        "An absent predicate is match_all, and match_keys is a set: a token is taken either way.",
        ["PAGE-4", "DEL-4"],
        |c| {
            letters(c).await?;
            let ways: [(&str, Choice, Choice); 4] = [
                ("match_all after an absent predicate", |get| get, |get| get.all()),
                ("an absent predicate after match_all", |get| get.all(), |get| get),
                ("keys in another order", |get| get.keys(["a", "b", "c"]), |get| get.keys(["c", "a", "b"])),
                ("a key named twice", |get| get.keys(["a", "b"]), |get| get.keys(["b", "a", "b"])),
            ];
            for (what, first, second) in ways {
                let token = token_after(1, || first(c.get())).await?;
                let (step, answer) = second(c.get()).page(&token).outcome().await?;
                taken(step, what, answer.err())?;
            }
            let absent = resume_token(c.scan().on("r")).await?;
            let (step, answer) = c.scan().on("r").all().resume(&absent).outcome().await?;
            taken(step, "match_all after an absent predicate", answer.err())?;
            let keys = resume_token(c.scan().on("r").keys(["a", "b"])).await?;
            let (step, answer) = c.scan().on("r").keys(["b", "a", "a"]).resume(&keys).outcome().await?;
            taken(step, "keys in another order", answer.err())
        }
    ),
    case!(
        "page_token::of_another_method_is_refused",
        "A token of Get is refused by Scan, and the other way round.",
        ["PAGE-4"],
        |c| {
            letters(c).await?;
            let token = token_after(1, || c.get()).await?;
            let resume = resume_token(c.scan().on("r")).await?;
            c.scan().on("r").resume(&token).fails(InvalidArgument).await?;
            c.get().page(&resume).fails(InvalidArgument).await.map(drop)
        }
    ),
    case!(
        "page_token::of_another_direction_is_refused",
        "A token from the other direction is refused.",
        ["PAGE-4"],
        [REVERSE],
        |c| {
            letters(c).await?;
            let forwards = token_after(1, || c.get()).await?;
            let backwards = token_after(1, || c.get().reverse()).await?;
            c.get().reverse().page(&forwards).fails(InvalidArgument).await?;
            c.get().page(&backwards).fails(InvalidArgument).await?;
            let resume = resume_token(c.scan().on("r")).await?;
            c.scan().on("r").reverse().resume(&resume).fails(InvalidArgument).await.map(drop)
        }
    ),
    case!(
        "page_token::of_a_namespace_is_refused_by_a_record",
        "A token of a namespace's Scan is refused by a record's Scan, and the other way round.",
        ["PAGE-4"],
        [NAMESPACE_SCAN],
        |c| {
            letters(c).await?;
            let all = resume_token(c.scan()).await?;
            let one = resume_token(c.scan().on("r")).await?;
            c.scan().on("r").resume(&all).fails(InvalidArgument).await?;
            c.scan().resume(&one).fails(InvalidArgument).await?;
            c.scan().within("b").resume(&all).fails(InvalidArgument).await?;
            c.scan().prefix("a").resume(&all).fails(InvalidArgument).await.map(drop)
        }
    ),
    case!(
        "page_token::is_not_bound_to_limits",
        "item_limit, page_size_bytes and keys_only may differ from page to page.",
        ["PAGE-4", "PAGE-1"],
        |c| {
            letters(c).await?;
            let token = token_after(1, || c.get()).await?;
            let rest = ["b", "c", "d", "e", "f"].map(Bytes::from).to_vec();
            for call in [c.get(), c.get().page_of(3), c.get().page_bytes(1), c.get().keys_only().page_of(2)] {
                let pages = call.page(&token).pages().await?;
                let keys = joined(&pages).into_iter().map(|item| item.key.into_bytes()).collect();
                c.same("keys", &rest, &keys)?;
            }
            let resume = resume_token(c.scan().on("r").keys_only()).await?;
            let limited = c.scan().on("r").page_of(2).limit(3).resume(&resume).ok().await?;
            limited.has_keys(&[("r", "b"), ("r", "c"), ("r", "d")])
        }
    ),
    case!(
        "page_token::may_be_used_again",
        "A token may be used again, and reads the same page again.",
        ["PAGE-1"],
        |c| {
            letters(c).await?;
            let token = token_after(3, || c.get()).await?;
            for _ in 0..2 {
                c.get().page(&token).ok().await?.has_keys(&["d", "e", "f"])?;
            }
            Ok(())
        }
    ),
    case!(
        "page_token::works_after_a_restart",
        "A token works after a restart.",
        ["PAGE-6"],
        [RESTART],
        |c| { works_after(c, Restart::Clean).await }
    ),
    case!("page_token::works_after_a_crash", "A token works after a crash.", ["PAGE-6"], [CRASH], |c| {
        works_after(c, Restart::Crash).await
    }),
    case!(
        "page_token::works_at_another_gateway",
        "A token works at another gateway on the same database.",
        ["PAGE-6"],
        [Need::Ability(Ability::Gateways)],
        |c| {
            letters(c).await?;
            let gateways = c.instance().gateways();
            let (mut token, mut keys) = (Bytes::new(), Vec::new());
            for at in 0..LETTERS.len() {
                let gateway = gateways[at % gateways.len()].clone();
                let page = c.get().page_of(1).page(&token).via(gateway).ok().await?;
                keys.extend(page.items.iter().map(|item| item.key.clone().into_bytes()));
                token = page.next_page_token.clone();
            }
            c.same("keys", &LETTERS.map(Bytes::from).to_vec(), &keys)
        }
    ),
];

/// Sets the predicate of a Get.
type Choice = for<'a> fn(GetCall<'a>) -> GetCall<'a>;

pub(super) const LETTERS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Writes the letters to record `r`.
pub(super) async fn letters(c: &Ctx) -> Proof {
    c.put(items(LETTERS.map(|key| (key, "v")))).ok().await.map(drop)
}

/// The token after `items` items, read one at a time so that it points at a known item.
pub(super) async fn token_after<'c>(items: usize, call: impl Fn() -> GetCall<'c>) -> Result<Bytes, Stop> {
    let mut token = Bytes::new();
    for _ in 0..items {
        let page = call().page_of(1).page(&token).ok().await?;
        page.expect(!page.next_page_token.is_empty(), "a page token", "no page token")?;
        token = page.next_page_token.clone();
    }
    Ok(token)
}

/// A token must be taken by the same predicate, given in another way.
fn taken(step: usize, what: &str, failure: Option<Failure>) -> Proof {
    let refusal = failure.map(|failure| format!("{} ({}) for {what}", failure.code, failure.message));
    let taken = refusal.is_none();
    Reply::at(step, ()).expect(taken, format!("OK for {what} (PAGE-4)"), refusal.unwrap_or_default())
}

/// The token of a Scan's first message, which holds one item.
async fn resume_token(call: ScanCall<'_>) -> Result<Bytes, Stop> {
    let scan = call.page_of(1).cut_after(1).ok().await?;
    scan.expect(!scan.resume_token().is_empty(), "a resume token", "no resume token")?;
    Ok(scan.resume_token())
}

async fn works_after(c: &Ctx, kind: Restart) -> Proof {
    letters(c).await?;
    let token = token_after(2, || c.get()).await?;
    let resume = resume_token(c.scan().on("r")).await?;
    c.restart(kind).await?;
    c.get().page(&token).ok().await?.has_keys(&["c", "d", "e", "f"])?;
    let rest = ["b", "c", "d", "e", "f"].map(|key| ("r", key));
    c.scan().on("r").resume(&resume).ok().await?.has_keys(&rest)
}
