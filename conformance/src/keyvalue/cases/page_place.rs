//! Position of a page token: it does not move, whatever is written around it.

use bytes::Bytes;
use prism_contract::keyvalue::Item;

use super::page_token::{letters, token_after};
use super::support::{EXPIRY, REVERSE, TOKENS, expire_tick, numbered};
use crate::core::{Proof, Stop, case};
use crate::keyvalue::{Case, Ctx, GetCall, item, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "page_place::is_held_while_others_are_written",
        "Items untouched between the pages are neither missed nor repeated, whatever is written.",
        ["PAGE-2"],
        |c| {
            let seen = read_under_writes(c, || c.get()).await?;
            c.same("untouched items", &EVEN.map(str::to_owned).to_vec(), &even(&seen))
        }
    ),
    case!(
        "page_place::is_held_in_reverse",
        "In reverse, too, untouched items are neither missed nor repeated.",
        ["PAGE-2", "ORD-2"],
        [REVERSE],
        |c| {
            let mut seen = read_under_writes(c, || c.get().reverse()).await?;
            seen.reverse();
            c.same("untouched items", &EVEN.map(str::to_owned).to_vec(), &even(&seen))
        }
    ),
    case!(
        "page_place::outlives_the_item_it_points_at",
        "Deleting the item a token points at does no harm.",
        ["PAGE-3"],
        |c| {
            letters(c).await?;
            let token = token_after(2, || c.get()).await?;
            c.delete().keys(["b"]).ok().await?.counts(1)?;
            c.get().page(&token).ok().await?.has_keys(&["c", "d", "e", "f"])?;
            c.delete().keys(["a", "c"]).ok().await?.counts(2)?;
            c.get().page(&token).ok().await?.has_keys(&["d", "e", "f"])
        }
    ),
    case!(
        "page_place::outlives_its_item_in_reverse",
        "In reverse, too, deleting the item a token points at does no harm.",
        ["PAGE-3"],
        [REVERSE],
        |c| {
            letters(c).await?;
            let token = token_after(2, || c.get().reverse()).await?;
            c.delete().keys(["d", "e"]).ok().await?.counts(2)?;
            c.get().reverse().page(&token).ok().await?.has_keys(&["c", "b", "a"])
        }
    ),
    case!(
        "page_place::outlives_a_remembered_delete",
        "Deleting the item a token points at with a priority token does no harm.",
        ["PAGE-3", "TOK-5"],
        [TOKENS],
        |c| {
            letters(c).await?;
            let token = token_after(2, || c.get()).await?;
            c.delete().keys(["b", "bb", "c"]).token(1).ok().await?.counts(2)?;
            c.get().page(&token).ok().await?.has_keys(&["d", "e", "f"])
        }
    ),
    case!(
        "page_place::outlives_an_expiry",
        "The expiry of the item a token points at does no harm.",
        ["PAGE-3", "TTL-1"],
        [EXPIRY],
        |c| {
            letters(c).await?;
            c.put(items([("b", "mortal"), ("c", "mortal")])).ttl(c.tick()).ok().await?;
            // On a real clock both may have expired already: then the token points at another item, and the rest still follows.
            let first = c.get().page_of(1).ok().await?;
            let second = c.get().page_of(1).page(&first.next_page_token).ok().await?;
            expire_tick(c).await?;
            let read = second.items.last().map(|item| item.key.to_vec()).unwrap_or_default();
            let rest: Vec<_> =
                ["d", "e", "f"].into_iter().filter(|key| key.as_bytes() > read.as_slice()).collect();
            c.get().page(&second.next_page_token).ok().await?.has_keys(&rest)
        }
    ),
    case!(
        "page_place::does_not_repeat_an_item_made_anew",
        "An item deleted and made anew where a token points is not repeated.",
        ["PAGE-3", "PAGE-2"],
        |c| {
            letters(c).await?;
            let token = token_after(2, || c.get()).await?;
            c.delete().keys(["a", "b"]).ok().await?;
            c.put(items([("a", "new"), ("b", "new")])).ok().await?;
            c.get().page(&token).ok().await?.has_keys(&["c", "d", "e", "f"])
        }
    ),
    case!(
        "page_place::of_the_rest_deleted_reads_nothing",
        "A token behind which all was deleted reads an empty last page.",
        ["PAGE-3", "PAGE-5"],
        |c| {
            letters(c).await?;
            let token = token_after(2, || c.get()).await?;
            c.delete().range("b", "").ok().await?.counts(5)?;
            c.get().page(&token).ok().await?.is_empty()?;
            c.delete().all().ok().await?.counts(1)?;
            c.get().page(&token).ok().await?.is_empty()
        }
    ),
];

/// Page limit, above that of any of these reads.
const MAX_PAGES: usize = 100;

/// Reads `r` two items at a time, and writes before, behind and around the position between the first pages.
async fn read_under_writes<'c>(c: &'c Ctx, call: impl Fn() -> GetCall<'c>) -> Result<Vec<Item>, Stop> {
    c.put(numbered(12)).ok().await?;
    let (mut seen, mut token) = (Vec::new(), Bytes::new());
    for round in 0..MAX_PAGES {
        let page = call().page_of(2).page(&token).ok().await?;
        seen.extend(page.items.iter().cloned());
        token = page.next_page_token.clone();
        if token.is_empty() {
            return Ok(seen);
        }
        if round < 6 {
            write_around(c, round, page.items.last()).await?;
        }
    }
    c.same("whether a last page came", &true, &false)?;
    Ok(seen)
}

/// Writes new items at both ends, among the others and right behind `last`, and deletes or overwrites an odd one.
async fn write_around(c: &Ctx, round: usize, last: Option<&Item>) -> Proof {
    let after_last = last.map(|item| [item.key.as_bytes(), b"!"].concat()).unwrap_or_default();
    let between = format!("k{:04}x", (5 * round) % 12);
    c.put([
        item(format!("a{round}"), ""),
        item(after_last, ""),
        item(between, ""),
        item(format!("z{round}"), ""),
    ])
    .ok()
    .await?;
    let odd = format!("k{:04}", (2 * round + 5) % 12);
    if round.is_multiple_of(2) {
        c.delete().keys([odd]).ok().await.map(drop)
    } else {
        c.put_one(odd, "new").ok().await.map(drop)
    }
}

fn even(items: &[Item]) -> Vec<String> {
    let keys = items.iter().map(|item| String::from_utf8_lossy(&item.key).into_owned());
    keys.filter(|key| key.starts_with('k') && key.ends_with(['0', '2', '4', '6', '8'])).collect()
}

const EVEN: [&str; 6] = ["k0000", "k0002", "k0004", "k0006", "k0008", "k0010"];
