//! Limits: a value at the limit is accepted; one beyond it is refused and changes nothing.

use prism_contract::keyvalue::request::ItemInput;

use super::support::{CONDITIONAL, noise, numbered};
use super::violations::names_exactly;
use crate::core::StatusCode::InvalidArgument;
use crate::core::case;
use crate::keyvalue::{Case, item, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "limits::of_a_value",
        "A value of 1 MiB is taken, one a byte longer is refused.",
        ["ERR-1", "PUT-6", "RT-1"],
        |c| {
            let value = noise((1 << 20) + 1, 4);
            c.put_one("k", &value[1..]).ok().await?;
            c.put([item("j", ""), item("k", &value)]).fails(InvalidArgument).await?;
            c.get().ok().await?.holds(&[("k", &value[1..])])
        }
    ),
    case!(
        "limits::of_a_key",
        "A key of 1 to 1,024 bytes is taken, an empty or a longer one refused.",
        ["ERR-1", "PUT-6", "RT-3"],
        |c| {
            let long = noise(1_025, 5);
            c.put(items([(&long[..1_024], "long"), (&b"k"[..], "short")])).ok().await?;
            c.put([item("j", "v"), item(&long, "v")]).fails(InvalidArgument).await?;
            c.put([item("j", "v"), item("", "v")]).fails(InvalidArgument).await?;
            c.get().keys([&long[..1_024], &b"j"[..]]).ok().await?.holds(&[(&long[..1_024], "long")])
        }
    ),
    case!(
        "limits::of_a_key_in_reads",
        "An empty or a too long key is refused in match_keys.",
        ["ERR-1"],
        |c| {
            c.put_one("k", "v").ok().await?;
            for invalid in [Vec::new(), noise(1_025, 6)] {
                c.get().keys([b"k".to_vec(), invalid.clone()]).fails(InvalidArgument).await?;
                c.scan().on("r").keys([invalid.clone()]).fails(InvalidArgument).await?;
                c.delete().keys([b"k".to_vec(), invalid]).fails(InvalidArgument).await?;
            }
            c.get().ok().await?.has_keys(&["k"])
        }
    ),
    case!(
        "limits::of_a_bound",
        "Bounds of up to 1,025 bytes and prefixes of up to 1,024 are taken, longer ones refused.",
        ["ERR-1"],
        |c| {
            let long = [b'k'; 1_026];
            let longest = &long[..1_024];
            c.put_one("k", "v").ok().await?;
            c.put_one(longest, "v").ok().await?;
            c.get().prefix(longest).ok().await?.has_keys(&[longest])?;
            c.get().range(longest, "").ok().await?.has_keys(&[longest])?;
            c.get().range("", longest).ok().await?.has_keys(&["k"])?;
            c.get().prefix(&long[..1_025]).fails(InvalidArgument).await?;
            c.get().range(long, "").fails(InvalidArgument).await?;
            c.get().range("", long).fails(InvalidArgument).await?;
            c.scan().on("r").range("", long).fails(InvalidArgument).await?;
            c.delete().range(long, "").fails(InvalidArgument).await?;
            c.delete().prefix(&long[..1_025]).fails(InvalidArgument).await?;
            c.get().ok().await?.has_keys(&[&b"k"[..], longest])
        }
    ),
    case!(
        "limits::of_an_id",
        "An id of 1 to 512 bytes of UTF-8 is taken; an empty or a longer one, or one with NUL, is refused.",
        ["ERR-1", "RT-4"],
        |c| {
            for longest in ["i".repeat(512), "é".repeat(256), "i".to_owned()] {
                c.put_one("k", "v").on(&longest).ok().await?;
                c.get().on(&longest).ok().await?.holds(&[("k", "v")])?;
            }
            for invalid in
                ["i".repeat(513), "é".repeat(257), String::new(), "\0".to_owned(), "a\0b".to_owned()]
            {
                c.put_one("k", "v").on(&invalid).fails(InvalidArgument).await?;
                c.get().on(&invalid).fails(InvalidArgument).await?;
                c.delete().all().on(&invalid).fails(InvalidArgument).await?;
                if !invalid.is_empty() {
                    c.scan().on(&invalid).fails(InvalidArgument).await?;
                }
            }
            Ok(())
        }
    ),
    case!(
        "limits::of_a_namespace",
        "A namespace of up to 128 bytes is taken, a longer one refused.",
        ["ERR-1", "RT-4"],
        |c| {
            let room = 128 - c.namespace("").len();
            let (longest, invalid) = ("n".repeat(room), "n".repeat(room + 1));
            c.put_one("k", "v").within(&longest).ok().await?;
            c.get().within(&longest).ok().await?.holds(&[("k", "v")])?;
            c.put_one("k", "v").within(".0_az-9").ok().await?;
            c.put_one("k", "v").within(&invalid).fails(InvalidArgument).await?;
            c.get().within(&invalid).fails(InvalidArgument).await?;
            c.delete().all().within(&invalid).fails(InvalidArgument).await?;
            c.scan().on("r").within(&invalid).fails(InvalidArgument).await.map(drop)
        }
    ),
    case!(
        "limits::of_a_namespaces_characters",
        "A namespace of anything but a-z, 0-9, '.', '_' and '-', or that starts with one of the last three, is refused.",
        ["ERR-1"],
        |c| {
            for invalid in
                ["", ".a", "_a", "-a", "A", "aB", "a b", "a/b", "a:b", "é", "aé", "a\0", "a\n", "％", "a'"]
            {
                let invalid = invalid.to_owned();
                c.put_one("k", "v")
                    .with(|put| put.namespace = invalid.clone())
                    .fails(InvalidArgument)
                    .await?;
                c.get().with(|get| get.namespace = invalid.clone()).fails(InvalidArgument).await?;
                c.scan().on("r").with(|scan| scan.namespace = invalid.clone()).fails(InvalidArgument).await?;
                c.delete()
                    .all()
                    .with(|delete| delete.namespace = invalid.clone())
                    .fails(InvalidArgument)
                    .await?;
            }
            Ok(())
        }
    ),
    case!(
        "limits::of_the_items_of_a_put",
        "A Put of 1,000 items is taken, one of 1,001 or none refused.",
        ["ERR-1", "PUT-6"],
        |c| {
            let mut all = numbered(1_001);
            c.put(all.clone()).fails(InvalidArgument).await?;
            c.put([]).fails(InvalidArgument).await?;
            c.get().ok().await?.is_empty()?;
            all.pop();
            let put = c.put(all).ok().await?;
            put.same("results", &1_000, &put.results.len())
        }
    ),
    case!(
        "limits::of_the_bytes_of_a_put",
        "Keys and values of 4 MiB together are taken, one byte more is refused.",
        ["ERR-1", "PUT-6"],
        |c| {
            let full = || ["a", "b", "c", "d"].map(|key| item(key, vec![7; (1 << 20) - 1]));
            let mut over = full();
            over[3].value = vec![7; 1 << 20].into();
            c.put(over).fails(InvalidArgument).await?;
            c.get().keys_only().ok().await?.is_empty()?;
            c.put(full()).ok().await?.applied(&[true; 4])
        }
    ),
    case!(
        "limits::of_the_keys_of_a_predicate",
        "match_keys of 1 to 1,000 keys is taken, of none or more refused.",
        ["ERR-1", "PRED-4"],
        |c| {
            c.put_one("0999", "v").ok().await?;
            let keys = |count: usize| (0..count).map(|at| format!("{at:04}")).collect::<Vec<_>>();
            c.get().keys(keys(1_000)).ok().await?.has_keys(&["0999"])?;
            c.get().keys(keys(1_001)).fails(InvalidArgument).await?;
            c.get().keys(keys(0)).fails(InvalidArgument).await?;
            c.scan().on("r").keys(keys(1_001)).fails(InvalidArgument).await?;
            c.delete().keys(keys(1_001)).fails(InvalidArgument).await?;
            c.delete().keys(keys(0)).fails(InvalidArgument).await?;
            c.delete().keys(keys(1_000)).ok().await?.counts(1)
        }
    ),
    case!(
        "limits::of_a_content_type",
        "A content_type of 127 bytes is taken, a longer one refused.",
        ["ERR-1", "RT-5"],
        |c| {
            let typed = |content_type: String| ItemInput { content_type, ..item("k", "v") };
            for longest in ["x".repeat(127), format!("{}x", "é".repeat(63))] {
                c.put([typed(longest.clone())]).ok().await?;
                let read = c.get().ok().await?;
                read.same("content_type", &longest, &read.item("k")?.content_type)?;
            }
            c.put([typed("x".repeat(128))]).fails(InvalidArgument).await?;
            c.put([typed("é".repeat(64))]).fails(InvalidArgument).await.map(drop)
        }
    ),
    case!(
        "limits::of_the_preconditions",
        "100 preconditions are taken, 101 refused.",
        ["ERR-1", "COND-1"],
        [CONDITIONAL],
        |c| {
            let guarded = |count: usize| {
                (0..count).fold(c.put_one("k", "v"), |put, at| put.when(format!("absent {at}"), 0))
            };
            guarded(101).fails(InvalidArgument).await?;
            c.get().ok().await?.is_empty()?;
            guarded(100).ok().await?.applied(&[true])
        }
    ),
    case!(
        "limits::of_a_preconditions_key",
        "An empty or a too long key is refused in a precondition.",
        ["ERR-1", "COND-4"],
        [CONDITIONAL],
        |c| {
            for invalid in [Vec::new(), noise(1_025, 7)] {
                c.put_one("k", "v").when(&invalid, 0).fails(InvalidArgument).await?;
                c.delete().all().when(&invalid, 0).fails(InvalidArgument).await?;
            }
            let longest = noise(1_024, 7);
            c.put_one("k", "v").when(longest, 0).ok().await?.applied(&[true])
        }
    ),
    case!(
        "limits::name_every_field_at_fault",
        "All violations of a request are listed, each with its field and what is wrong.",
        ["ERR-1"],
        |c| {
            let put = c.put([item("", "v")]).on("").token(-1).with(|put| put.namespace = "A".to_owned());
            let failure = put.fails(InvalidArgument).await?;
            names_exactly(&failure, &["namespace", "id", "items[0].key", "item_priority_token"])?;
            let explained = failure.violations.iter().all(|violation| !violation.description.is_empty());
            failure.expect(explained, "a description of each violation", "an empty description")
        }
    ),
    case!(
        "limits::are_those_of_the_contract",
        "Describe publishes the limits of the contract.",
        ["CAP-1"],
        |c| {
            let described = c.describe().await?;
            let limits = described.limits;
            let published = [
                ("max_id_bytes", 512, limits.id_bytes),
                ("max_key_bytes", 1_024, limits.key_bytes),
                ("max_value_bytes", 1 << 20, limits.value_bytes),
                ("max_put_items", 1_000, limits.put_items),
                ("max_put_bytes", 4 << 20, limits.put_bytes),
                ("max_page_items", 1_000, limits.page_items),
                ("max_page_bytes", 2 << 20, limits.page_bytes),
            ];
            published.iter().try_for_each(|(name, expected, actual)| described.same(name, expected, actual))
        }
    ),
];
