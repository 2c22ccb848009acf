//! Pages: together they are the whole result, and each obeys its limits.

use prism_contract::keyvalue::Item;

use super::support::{
    EXPIRY, NAMESPACE_SCAN, REVERSE, TOKENS, entries, expire_tick, joined, noise, numbered, weight,
};
use crate::core::{Proof, Show, case};
use crate::keyvalue::{Case, Ctx, GetCall, item, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "page::of_every_item_limit_add_up",
        "For every item_limit the pages together are the whole answer.",
        ["PAGE-1"],
        |c| {
            let whole = seven_items(c).await?;
            for limit in 1..=8 {
                add_up(&format!("item_limit {limit}"), c.get().page_of(limit), &whole).await?;
            }
            Ok(())
        }
    ),
    case!(
        "page::of_every_size_add_up",
        "For every page_size_bytes the pages together are the whole answer.",
        ["PAGE-1"],
        |c| {
            let whole = seven_items(c).await?;
            for bytes in [1, 97, 98, 206, 207, 304, 305, 1_200, 3_098, 5_316, 6_000] {
                add_up(&format!("page_size_bytes {bytes}"), c.get().page_bytes(bytes), &whole).await?;
            }
            Ok(())
        }
    ),
    case!(
        "page::of_every_predicate_add_up",
        "For every predicate the pages together are the whole answer.",
        ["PAGE-1"],
        |c| {
            c.put(items(["a", "b", "ba", "bb", "bc", "c", "d"].map(|key| (key, "v")))).ok().await?;
            let choices: [Choice; 5] = [
                |get| get.range("b", "c"),
                |get| get.range("", "bb"),
                |get| get.range("bb", ""),
                |get| get.prefix("b"),
                |get| get.keys(["d", "a", "bb", "x", "ba", "a"]),
            ];
            for limit in 1..=4 {
                for choose in choices {
                    let whole = choose(c.get()).ok().await?.into_inner().items;
                    add_up(&format!("item_limit {limit}"), choose(c.get()).page_of(limit), &whole).await?;
                }
            }
            Ok(())
        }
    ),
    case!(
        "page::of_hostile_keys_add_up",
        "Pages that end at keys with NUL or FF bytes add up.",
        ["PAGE-1", "RT-3"],
        |c| {
            let keys: [&[u8]; 9] =
                [b"\0", b"\0\0", b"a", b"a\0", b"a\0\0", b"a\xff", b"\xff", b"\xff\0", b"\xff\xff"];
            let longest = [0xFF; 1_024];
            c.put(items(keys.into_iter().chain([&longest[..]]).map(|key| (key, "v")))).ok().await?;
            let whole = c.get().ok().await?.into_inner().items;
            for limit in [1, 2, 3] {
                add_up(&format!("item_limit {limit}"), c.get().page_of(limit), &whole).await?;
            }
            Ok(())
        }
    ),
    case!(
        "page::in_reverse_add_up",
        "In reverse, too, the pages together are the whole answer.",
        ["PAGE-1", "ORD-2"],
        [REVERSE],
        |c| {
            let mut whole = seven_items(c).await?;
            whole.reverse();
            for limit in 1..=8 {
                add_up(&format!("item_limit {limit}"), c.get().reverse().page_of(limit), &whole).await?;
            }
            for bytes in [1, 207, 1_200] {
                add_up(&format!("page_size_bytes {bytes}"), c.get().reverse().page_bytes(bytes), &whole)
                    .await?;
            }
            let inner = &whole[2..5];
            add_up("a range", c.get().range("k2", "k5").reverse().page_of(1), inner).await?;
            add_up("a prefix", c.get().prefix("k").reverse().page_of(3), &whole).await
        }
    ),
    case!(
        "page::has_a_token_only_if_more_is_left",
        "A page has a token exactly if more is left.",
        ["PAGE-5"],
        |c| {
            c.put(numbered(4)).ok().await?;
            for limit in 1..=5 {
                let pages = c.get().page_of(limit).pages().await?;
                let seen: Vec<_> = pages.iter().map(|page| page.items.len()).collect();
                let none_empty = seen.iter().all(|&items| items > 0) && seen.iter().sum::<usize>() == 4;
                pages[pages.len() - 1].expect(
                    none_empty,
                    "4 items, and no empty page",
                    format!("pages of {} items", seen.show()),
                )?;
            }
            let singly = c.get().page_of(1).pages().await?;
            c.same("pages of one item", &4, &singly.len())?;
            c.get().on("absent").page_of(1).ok().await?.is_empty()
        }
    ),
    case!(
        "page::has_no_token_for_keys_not_chosen",
        "Keys that the predicate leaves out give the last page no token.",
        ["PAGE-5"],
        |c| {
            c.put(items(["a", "b", "c", "d"].map(|key| (key, "v")))).ok().await?;
            let pages = [
                c.get().range("b", "c").page_of(1).ok().await?,
                c.get().prefix("b").page_of(1).ok().await?,
                c.get().keys(["b", "x"]).page_of(1).ok().await?,
            ];
            pages.iter().try_for_each(|page| page.has_keys(&["b"]).and(page.is_last()))
        }
    ),
    case!(
        "page::has_no_token_for_deleted_items",
        "Deleted items behind the last page give it no token.",
        ["PAGE-5", "DEL-1"],
        |c| {
            c.put(numbered(3)).ok().await?;
            c.delete().keys(["k0001", "k0002"]).ok().await?;
            let page = c.get().page_of(1).ok().await?;
            page.has_keys(&["k0000"])?;
            page.is_last()
        }
    ),
    case!(
        "page::has_no_token_for_tombstones",
        "Tombstones behind the last page give it no token.",
        ["PAGE-5", "TOK-5"],
        [TOKENS],
        |c| {
            c.put(numbered(3)).ok().await?;
            c.delete().keys(["k0001", "k0002", "k0003"]).token(1).ok().await?;
            let page = c.get().page_of(1).ok().await?;
            page.has_keys(&["k0000"])?;
            page.is_last()
        }
    ),
    case!(
        "page::has_no_token_for_expired_items",
        "Expired items behind the last page give it no token.",
        ["PAGE-5", "TTL-1"],
        [EXPIRY],
        |c| {
            c.put(numbered(3)).ttl(c.tick()).ok().await?;
            c.put(numbered(1)).ok().await?;
            expire_tick(c).await?;
            let page = c.get().page_of(1).ok().await?;
            page.has_keys(&["k0000"])?;
            page.is_last()
        }
    ),
    case!(
        "page::skips_expired_items",
        "Expired items take no place on a page.",
        ["PAGE-1", "TTL-1"],
        [EXPIRY],
        |c| {
            c.put(numbered(6)).ttl(c.tick()).ok().await?;
            c.put(items([("k0001", "kept"), ("k0004", "kept"), ("k0009", "kept")])).ok().await?;
            expire_tick(c).await?;
            let whole = c.get().ok().await?;
            whole.has_keys(&["k0001", "k0004", "k0009"])?;
            for limit in 1..=3 {
                add_up(&format!("item_limit {limit}"), c.get().page_of(limit), &whole.items).await?;
            }
            Ok(())
        }
    ),
    case!(
        "page::of_keys_only_holds_no_values",
        "With keys_only no value is answered, and keys and metadata are the same.",
        ["PAGE-8"],
        |c| {
            let mut typed = item("a", "1");
            (typed.content_type, typed.compression) = ("text/plain".to_owned(), 2);
            c.put([typed, item("b", "2"), item("c", "")]).ok().await?;
            let bare: Vec<_> = c.get().ok().await?.items.iter().map(without_value).collect();
            let read = c.get().keys_only().ok().await?;
            read.has_keys(&["a", "b", "c"])?;
            read.same("items", &bare, &read.items)
        }
    ),
    case!(
        "page::of_keys_only_add_up",
        "With keys_only the pages together hold the same keys.",
        ["PAGE-8", "PAGE-1"],
        |c| {
            let bare: Vec<_> = seven_items(c).await?.iter().map(without_value).collect();
            for limit in [1, 2, 3, 7] {
                add_up(&format!("item_limit {limit}"), c.get().keys_only().page_of(limit), &bare).await?;
            }
            for bytes in [1, 200, 400] {
                add_up(&format!("page_size_bytes {bytes}"), c.get().keys_only().page_bytes(bytes), &bare)
                    .await?;
            }
            Ok(())
        }
    ),
    case!(
        "page::of_a_scan_of_keys_only_holds_no_values",
        "With keys_only Scan answers no value, and the same keys.",
        ["PAGE-8"],
        [NAMESPACE_SCAN],
        |c| {
            for id in ["one", "two"] {
                c.put(items([("a", "1"), ("b", "2")])).on(id).ok().await?;
            }
            let read = c.scan().keys_only().page_of(3).ok().await?;
            read.has_keys(&[("one", "a"), ("one", "b"), ("two", "a"), ("two", "b")])?;
            let bare = read.entries().all(|entry| entry.item.value.is_empty() && entry.item.version > 0);
            read.expect(bare, "versions and no values", entries(&read).show())
        }
    ),
    case!(
        "page::limits_may_be_combined",
        "item_limit and page_size_bytes are obeyed together.",
        ["PAGE-1", "PAGE-7"],
        |c| {
            let whole = seven_items(c).await?;
            for (limit, bytes) in [(2, 300), (3, 1_300), (1, 5_000), (5, 1)] {
                let call = || c.get().page_of(limit).page_bytes(bytes);
                add_up(&format!("{limit} items, {bytes} bytes"), call(), &whole).await?;
                let first = call().ok().await?;
                let fits =
                    first.items.len() == 1 || first.items.iter().map(weight).sum::<usize>() <= bytes as usize;
                let within = first.items.len() <= limit as usize && fits;
                first.expect(
                    within,
                    format!("{limit} items, {bytes} bytes"),
                    format!("{} items", first.items.len()),
                )?;
            }
            Ok(())
        }
    ),
];

/// Sets the predicate of a Get.
type Choice = for<'a> fn(GetCall<'a>) -> GetCall<'a>;

/// Writes seven items of different weights and returns them.
async fn seven_items(c: &Ctx) -> Result<Vec<Item>, crate::core::Stop> {
    let lengths = [0, 10, 100, 3_000, 1_000, 20, 500];
    let sized = lengths.iter().enumerate().map(|(at, &len)| (format!("k{at}"), noise(len, at as u64)));
    c.put(items(sized)).ok().await?;
    Ok(c.get().ok().await?.into_inner().items)
}

/// The concatenated pages of `call` must be `whole`, and none of them empty.
async fn add_up(what: &str, call: GetCall<'_>, whole: &[Item]) -> Proof {
    let pages = call.pages().await?;
    for page in &pages {
        page.expect(!page.items.is_empty(), format!("{what}: a page with items"), "an empty page")?;
    }
    let (last, together) = (&pages[pages.len() - 1], joined(&pages));
    let keys = |items: &[Item]| items.iter().map(|item| item.key.clone()).collect::<Vec<_>>();
    last.same(&format!("{what}: keys of all pages"), &keys(whole), &keys(&together))?;
    last.same(&format!("{what}: items of all pages"), &whole, &together.as_slice())
}

fn without_value(item: &Item) -> Item {
    Item { value: bytes::Bytes::new(), ..item.clone() }
}
