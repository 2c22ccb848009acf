//! Durability: acknowledged writes survive a restart, and nothing is rolled back.

use super::support::{CRASH, RESTART, TOKENS, finds_nothing, keys_of, numbered};
use crate::core::{Ability, Divergence, Proof, Restart, Show, Stop, Version, case};
use crate::keyvalue::{Case, Ctx, Need, item, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "durability::of_writes_over_a_restart",
        "Acknowledged writes survive a restart, whole and unchanged.",
        ["DUR-1"],
        [RESTART],
        |c| { writes_survive(c, Restart::Clean).await }
    ),
    case!(
        "durability::of_writes_over_a_crash",
        "Acknowledged writes survive a crash, whole and unchanged.",
        ["DUR-1"],
        [CRASH],
        |c| { writes_survive(c, Restart::Crash).await }
    ),
    case!(
        "durability::of_the_last_write_over_a_crash",
        "Each write is durable when it is answered, the last one, too.",
        ["DUR-1"],
        [CRASH],
        |c| {
            for round in 0..3 {
                c.put_one("k", round.to_string()).ok().await?;
                c.restart(Restart::Crash).await?;
                c.get().ok().await?.holds(&[("k", round.to_string())])?;
            }
            Ok(())
        }
    ),
    case!(
        "durability::of_deletes_over_a_restart",
        "Acknowledged deletes survive a restart.",
        ["DUR-1", "DEL-1"],
        [RESTART],
        |c| { deletes_survive(c, Restart::Clean).await }
    ),
    case!(
        "durability::of_deletes_over_a_crash",
        "Acknowledged deletes survive a crash.",
        ["DUR-1", "DEL-1"],
        [CRASH],
        |c| { deletes_survive(c, Restart::Crash).await }
    ),
    case!(
        "durability::leaves_no_half_put_behind_a_crash",
        "A Put that a crash interrupts is there whole or not at all, and whole if it was acknowledged.",
        ["DUR-2", "PUT-3"],
        [CRASH],
        |c| {
            let all = numbered(200);
            for round in 0..4 {
                let id = format!("round {round}");
                let crash = async {
                    for _ in 0..round * 3 {
                        tokio::task::yield_now().await;
                    }
                    c.restart(Restart::Crash).await
                };
                let (put, crashed) = futures::join!(c.put(all.clone()).on(&id).outcome(), crash);
                crashed?;
                let acknowledged = put?.1.is_ok();
                let read = c.get().on(&id).ok().await?;
                if acknowledged || !read.items.is_empty() {
                    read.has_keys(&keys_of(&all))?;
                }
            }
            Ok(())
        }
    ),
    case!(
        "durability::of_versions_over_a_restart",
        "Versions rise over a restart, also of what was deleted before.",
        ["DUR-3", "VER-2"],
        [RESTART],
        |c| { versions_rise_over(c, Restart::Clean).await }
    ),
    case!(
        "durability::of_versions_over_a_crash",
        "Versions rise over a crash, also of what was deleted before.",
        ["DUR-3", "VER-2"],
        [CRASH],
        |c| { versions_rise_over(c, Restart::Crash).await }
    ),
    case!(
        "durability::of_tokens_over_a_restart",
        "Highest tokens and tombstones survive a restart.",
        ["DUR-3", "TOK-4"],
        [TOKENS, RESTART],
        |c| { tokens_survive(c, Restart::Clean).await }
    ),
    case!(
        "durability::of_tokens_over_a_crash",
        "Highest tokens and tombstones survive a crash.",
        ["DUR-3", "TOK-4"],
        [TOKENS, CRASH],
        |c| { tokens_survive(c, Restart::Crash).await }
    ),
    case!(
        "durability::is_what_the_database_is_set_to",
        "The database's own settings are the durable ones.",
        ["DUR-4"],
        [Need::Ability(Ability::Settings)],
        |c| {
            let (durable, settings) = c.instance().durable_settings().await?;
            c.note(format!("database settings: {settings}"));
            if durable {
                return Ok(());
            }
            let expected = "settings that flush each write to disk before it is acknowledged".to_owned();
            Err(Stop::Diverged(Divergence { step: None, expected, actual: settings }))
        }
    ),
];

async fn writes_survive(c: &Ctx, kind: Restart) -> Proof {
    let mut typed = item("typed", "v\0\u{ff}");
    (typed.content_type, typed.compression) = ("text/plain".to_owned(), 3);
    c.put([typed, item("empty", ""), item("kept", "1")]).ok().await?;
    c.advance(c.tick()).await?;
    c.put_one("kept", "2").ok().await?;
    c.put(numbered(100)).on("other").ok().await?;
    let before = (c.get().ok().await?.into_inner().items, c.get().on("other").ok().await?.into_inner().items);
    for _ in 0..2 {
        c.restart(kind).await?;
        let after = c.get().ok().await?;
        after.same("items", &before.0, &after.items)?;
        let after = c.get().on("other").ok().await?;
        after.same("items", &before.1, &after.items)?;
    }
    Ok(())
}

async fn deletes_survive(c: &Ctx, kind: Restart) -> Proof {
    c.put(items([("a", "1"), ("b", "2"), ("c", "3")])).ok().await?;
    c.put_one("k", "v").on("emptied").ok().await?;
    c.delete().keys(["b"]).ok().await?.counts(1)?;
    c.delete().all().on("emptied").ok().await?.counts(1)?;
    c.restart(kind).await?;
    c.get().ok().await?.holds(&[("a", "1"), ("c", "3")])?;
    finds_nothing(&c.scan().on("emptied").ok().await?)
}

async fn versions_rise_over(c: &Ctx, kind: Restart) -> Proof {
    let kept = c.put_one("kept", "v").ok().await?.version()?;
    // The deleted key has the highest version, so that no version left in the store reveals it.
    c.put_one("deleted", "1").ok().await?;
    c.put_one("deleted", "2").ok().await?;
    let deleted = c.put_one("deleted", "3").ok().await?.version()?;
    c.delete().keys(["deleted"]).ok().await?.counts(1)?;
    c.restart(kind).await?;
    for (key, before) in [("deleted", deleted), ("kept", kept)] {
        let put = c.put_one(key, "4").ok().await?;
        let version = put.version()?;
        put.expect(
            version > before,
            format!("\"{key}\" {}", Version(before).above()),
            Version(version).show(),
        )?;
    }
    Ok(())
}

async fn tokens_survive(c: &Ctx, kind: Restart) -> Proof {
    c.put(items(["a", "b"].map(|key| (key, "v")))).token(5).ok().await?;
    c.delete().keys(["b"]).ok().await?;
    c.delete().keys(["c"]).token(5).ok().await?;
    c.restart(kind).await?;
    let put = || c.put(items(["a", "b", "c"].map(|key| (key, "late"))));
    put().token(5).ok().await?.applied(&[false; 3])?;
    c.get().ok().await?.holds(&[("a", "v")])?;
    put().token(6).ok().await?.applied(&[true; 3])
}
