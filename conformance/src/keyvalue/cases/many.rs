//! Requests with very many items or keys, which a backend processes in batches: results must not depend on the batch.

use super::support::{TOKENS, numbered};
use crate::core::{Show, Version, case};
use crate::keyvalue::{Case, item};

pub(super) const CASES: &[Case] = &[
    case!(
        "many::items_of_a_put_each_replace_what_stood_at_their_key",
        "Of a Put of 1,000 items each one replaces what stood at its own key, and the others are new.",
        ["PUT-5", "PUT-1", "VER-1"],
        |c| {
            c.put(existing_items()).ok().await?;
            let before = c.get().ok().await?;
            c.advance(c.tick()).await?;
            c.put(numbered(MAX_ITEMS)).ok().await?.applied(&[true; MAX_ITEMS])?;
            let after = c.get().ok().await?;
            after.same("items", &MAX_ITEMS, &after.items.len())?;
            for (number, item) in after.items.iter().enumerate() {
                let (created, version) = (item.created_at, item.version);
                let name = item.key.escape_ascii();
                let old = before.items.get(number / 3).filter(|_| pre_exists(number));
                let Some(old) = old else {
                    let expected = format!("\"{name}\", a new item, created when it was updated");
                    after.expect(
                        created == item.updated_at,
                        expected,
                        format!("created {}", created.show()),
                    )?;
                    continue;
                };
                let expected =
                    format!("\"{name}\" created when it was first written, {}", old.created_at.show());
                after.expect(created == old.created_at, expected, format!("created {}", created.show()))?;
                let expected = format!("\"{name}\" {}", Version(old.version).above());
                after.expect(version > old.version, expected, Version(version).show())?;
            }
            Ok(())
        }
    ),
    case!(
        "many::items_of_a_put_are_each_held_against_their_own_token",
        "Of a Put of 1,000 items those are superseded whose own key has seen a higher token.",
        ["TOK-1", "PUT-3"],
        [TOKENS],
        |c| {
            c.put(existing_items()).token(9).ok().await?;
            let before = c.get().ok().await?;
            let put = c
                .put((0..MAX_ITEMS).map(|number| item(format!("k{number:04}"), "late")))
                .token(5)
                .ok()
                .await?;
            for (number, result) in put.results.iter().enumerate() {
                let expected = !pre_exists(number);
                put.same(&format!("k{number:04} applied"), &expected, &result.applied)?;
            }
            let after = c.get().ok().await?;
            let kept: Vec<_> = after.items.iter().filter(|item| item.value != "late").cloned().collect();
            after.same("items of token 9", &before.items, &kept)
        }
    ),
    case!(
        "many::keys_of_a_delete_are_all_removed",
        "A Delete of 1,000 keys removes and counts each one that is there, and nothing else.",
        ["DEL-5", "DEL-2", "DEL-3"],
        |c| {
            c.put(existing_items()).ok().await?;
            c.put_one("other", "v").ok().await?;
            let keys = (0..MAX_ITEMS).map(|number| format!("k{number:04}"));
            c.delete().keys(keys).ok().await?.counts(MAX_ITEMS.div_ceil(3) as u64)?;
            c.get().ok().await?.holds(&[("other", "v")])
        }
    ),
];

/// Maximum items of one request.
const MAX_ITEMS: usize = 1_000;

/// Every third item exists beforehand.
const fn pre_exists(number: usize) -> bool {
    number.is_multiple_of(3)
}

fn existing_items() -> Vec<prism_contract::keyvalue::request::ItemInput> {
    let numbered = numbered(MAX_ITEMS).into_iter().enumerate();
    numbered.filter(|(number, _)| pre_exists(*number)).map(|(_, item)| item).collect()
}
