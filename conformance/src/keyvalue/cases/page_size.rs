//! Page size: no more items and bytes than requested, and always at least one item.

use super::support::{joined, noise, numbered, weight};
use crate::core::case;
use crate::keyvalue::{Case, item, items};

pub(super) const CASES: &[Case] = &[
    case!("page_size::obeys_the_item_limit", "No page holds more than item_limit items.", ["PAGE-7"], |c| {
        c.put(numbered(10)).ok().await?;
        for limit in [1, 2, 3, 9] {
            for page in c.get().page_of(limit).pages().await? {
                let items = page.items.len();
                page.expect(
                    items <= limit as usize,
                    format!("at most {limit} items"),
                    format!("{items} items"),
                )?;
            }
            for message in c.scan().on("r").page_of(limit).ok().await?.iter() {
                c.same(
                    &format!("at most {limit} entries"),
                    &true,
                    &(message.entries.len() <= limit as usize),
                )?;
            }
        }
        Ok(())
    }),
    case!(
        "page_size::obeys_its_size",
        "No page of several items weighs more than page_size_bytes: key, value, content_type and 96 each.",
        ["PAGE-7"],
        |c| {
            let typed = |at: usize| {
                let mut item = item(format!("k{at}"), "v");
                item.content_type = "x".repeat(120);
                item
            };
            c.put((0..9).map(|at| item(format!("k{at}"), ""))).on("small").ok().await?;
            c.put((0..9).map(|at| item(noise(500, at), ""))).on("keys").ok().await?;
            c.put((0..9).map(|at| item(format!("k{at}"), noise(500, at)))).on("values").ok().await?;
            c.put((0..9).map(typed)).on("types").ok().await?;
            for (id, bytes) in [("small", 300), ("keys", 1_400), ("values", 1_400), ("types", 500)] {
                for page in c.get().on(id).page_bytes(bytes).pages().await? {
                    let weighs: usize = page.items.iter().map(weight).sum();
                    let fits = page.items.len() == 1 || weighs <= bytes as usize;
                    page.expect(fits, format!("{id}: at most {bytes} bytes"), format!("{weighs} bytes"))?;
                }
            }
            Ok(())
        }
    ),
    case!("page_size::of_a_scan_counts_ids", "In Scan an item weighs its id, too.", ["PAGE-7"], |c| {
        let id = "i".repeat(400);
        c.put(numbered(9)).on(&id).ok().await?;
        let scan = c.scan().on(&id).page_bytes(1_600).ok().await?;
        for message in scan.iter() {
            let weighs: usize = message.entries.iter().map(|entry| id.len() + weight(&entry.item)).sum();
            let fits = message.entries.len() == 1 || weighs <= 1_600;
            scan.expect(fits, "messages of at most 1600 bytes", format!("{weighs} bytes"))?;
        }
        scan.same("entries", &9, &scan.entries().count())
    }),
    case!(
        "page_size::of_one_huge_item_holds_it_alone",
        "One item larger than the page is answered, alone.",
        ["PAGE-7"],
        |c| {
            c.put(items([("a", noise(1, 1)), ("b", noise(50_000, 2)), ("c", noise(1, 3))])).ok().await?;
            for bytes in [1, 98, 1_000] {
                let pages = c.get().page_bytes(bytes).pages().await?;
                let together = joined(&pages);
                let huge = pages.iter().find(|page| page.items.iter().any(|item| item.value.len() == 50_000));
                c.same("items", &3, &together.len())?;
                c.same("items beside the huge one", &Some(1), &huge.map(|page| page.items.len()))?;
            }
            let pages = c.get().page_bytes(1).pages().await?;
            c.same("pages of one byte", &3, &pages.len())
        }
    ),
    case!(
        "page_size::clamps_the_item_limit",
        "An item_limit of 0 or above 1,000 means 1,000, and a token if more is left.",
        ["PAGE-7", "PAGE-5"],
        |c| {
            c.put(numbered(1_000)).ok().await?;
            c.put_one("x", "the last").ok().await?;
            for limit in [0, 1_001, u32::MAX] {
                let page = c.get().page_of(limit).keys_only().ok().await?;
                let (items, more) = (page.items.len(), !page.next_page_token.is_empty());
                let clamped = (1..=1_000).contains(&items) && more;
                page.expect(
                    clamped,
                    "at most 1000 items and a token",
                    format!("{items} items, token: {more}"),
                )?;
            }
            let scan = c.scan().on("r").page_of(u32::MAX).keys_only().ok().await?;
            let longest = scan.iter().map(|message| message.entries.len()).max().unwrap_or(0);
            scan.expect(longest <= 1_000, "messages of at most 1000 entries", format!("{longest} entries"))?;
            scan.same("entries", &1_001, &scan.entries().count())
        }
    ),
    case!(
        "page_size::clamps_the_size",
        "A page_size_bytes of 0 or above 2 MiB means 2 MiB, and a token if more is left.",
        ["PAGE-7", "PAGE-5"],
        |c| {
            for key in ["a", "b", "c"] {
                c.put_one(key, vec![7; 900 << 10]).ok().await?;
            }
            for bytes in [0, (2 << 20) + 1, u32::MAX] {
                let page = c.get().page_bytes(bytes).ok().await?;
                let (items, more) = (page.items.len(), !page.next_page_token.is_empty());
                let clamped = (1..=2).contains(&items) && more;
                page.expect(clamped, "at most 2 MiB and a token", format!("{items} items, token: {more}"))?;
            }
            Ok(())
        }
    ),
];
