//! Predicates: which keys are chosen, and in which order they are answered.

use prism_contract::keyvalue::request::KeyPredicate;

use crate::case::Proof;
use crate::{Ctx, items};

const KEYS: [&[u8]; 8] = [b"A", b"a", b"a\xff", b"a_b", b"axb", b"b", b"c", b"d"];

/// Ranges, with and without both ends.
pub(in crate::mutants) async fn ranges(c: &Ctx) -> Proof {
    c.put(items(KEYS.map(|key| (key, "v")))).sent().await?;
    for (start, end) in [("b", "d"), ("", "b"), ("b", ""), ("", "")] {
        c.get().range(start, end).sent().await?;
    }
    Ok(())
}

/// Ranges that begin right behind the longest key, and that end with it.
pub(in crate::mutants) async fn longest_bounds(c: &Ctx) -> Proof {
    let longest = [b'k'; 1_024];
    let behind = [&longest[..], &[0]].concat();
    c.put_one(longest, "v").sent().await?;
    c.get().range(&behind, "").sent().await?;
    c.get().range("", &behind).sent().await?;
    Ok(())
}

/// Ranges that hold nothing.
pub(in crate::mutants) async fn impossible_ranges(c: &Ctx) -> Proof {
    c.put(items(KEYS.map(|key| (key, "v")))).sent().await?;
    c.get().range("d", "b").sent().await?;
    c.get().range("b", "b").sent().await?;
    Ok(())
}

/// Prefixes: plain, ending in FF, empty, and with the wildcards of SQL.
pub(in crate::mutants) async fn prefixes(c: &Ctx) -> Proof {
    c.put(items(KEYS.map(|key| (key, "v")))).sent().await?;
    for prefix in [b"a".as_slice(), b"a\xff", b"a_", b""] {
        c.get().prefix(prefix).sent().await?;
    }
    Ok(())
}

/// Keys named out of order, twice, and in vain.
pub(in crate::mutants) async fn named_keys(c: &Ctx) -> Proof {
    c.get().sent().await?;
    c.put(items(KEYS.map(|key| (key, "v")))).sent().await?;
    c.get().keys(["c", "a", "c", "gone"]).sent().await?;
    Ok(())
}

/// Requests without a predicate, and with one of no kind.
pub(in crate::mutants) async fn missing_predicates(c: &Ctx) -> Proof {
    c.put(items(KEYS.map(|key| (key, "v")))).sent().await?;
    c.get().sent().await?;
    c.get().choose(KeyPredicate::Unset).sent().await?;
    c.delete().sent().await?;
    c.delete().choose(KeyPredicate::Unset).sent().await?;
    Ok(())
}

/// Deletes of a few items among others.
pub(in crate::mutants) async fn deletes(c: &Ctx) -> Proof {
    c.put(items(KEYS.map(|key| (key, "v")))).sent().await?;
    c.delete().keys(["a", "gone"]).sent().await?;
    c.scan().sent().await?;
    c.put_one("a", "back").when("a", 0).sent().await?;
    c.delete().range("b", "d").sent().await?;
    c.get().sent().await?;
    Ok(())
}
