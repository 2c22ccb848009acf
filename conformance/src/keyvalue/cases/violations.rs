//! Field violations: the path of each field at fault, each path once, and what stands for those that are not listed.

use std::collections::BTreeSet;

use bytes::Bytes;
use prism_contract::keyvalue::request::{ItemInput, KeyPredicate, Ttl};

use super::support::unlisted;
use crate::core::StatusCode::InvalidArgument;
use crate::core::{Failure, Proof, Reply, case};
use crate::keyvalue::{Case, item, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "violations::name_a_field_of_a_put_by_its_path",
        "A violation names the field at fault by its path, as the .proto files spell it.",
        ["ERR-1"],
        |c| {
            let put = || c.put(items([("a", "1"), ("b", "2")]));
            let typed = ItemInput { content_type: "x".repeat(128), ..item("c", "3") };
            let too_many = || (0..101).map(|at| format!("{at}"));
            for (put, path) in [
                (put().with(|put| put.namespace = "A".to_owned()), "namespace"),
                (put().on(""), "id"),
                (c.put([]), "items"),
                (c.put((0..1_001).map(|at| item(format!("{at}"), ""))), "items"),
                (put().with(|put| put.items.push(item("", "v"))), "items[2].key"),
                (put().with(|put| put.items.push(item("a", "v"))), "items[2].key"),
                (put().with(|put| put.items[1].value = vec![7; (1 << 20) + 1].into()), "items[1].value"),
                (put().with(|put| put.items.push(typed)), "items[2].metadata.content_type"),
                (put().token(-1), "item_priority_token"),
                (put().with(|put| put.ttl = Some(Ttl::default())), "ttl"),
                (too_many().fold(put(), |put, key| put.when(key, 0)), "preconditions"),
                (put().when("a", 0).when("", 0), "preconditions[1].key"),
                (put().when("a", 0).when("a", 0), "preconditions[1].key"),
                (put().when("a", -1), "preconditions[0].version"),
            ] {
                names_exactly(&put.fails(InvalidArgument).await?, &[path])?;
            }
            Ok(())
        }
    ),
    case!(
        "violations::name_a_field_of_a_predicate_by_its_path",
        "A violation of a predicate names the message or the element at fault by its path.",
        ["ERR-1"],
        |c| {
            let long = [b'k'; 1_026];
            let garbage = Bytes::from_static(b"no token");
            for (get, path) in [
                (c.get().choose(KeyPredicate::Unset), "predicate"),
                (c.get().keys::<&str>([]), "predicate.match_keys.keys"),
                (c.get().keys(["a", ""]), "predicate.match_keys.keys[1]"),
                (c.get().range("b", "a"), "predicate.match_range"),
                (c.get().range(long, ""), "predicate.match_range.start"),
                (c.get().range("", long), "predicate.match_range.end"),
                (c.get().prefix(&long[1..]), "predicate.match_prefix.prefix"),
                (c.get().page(&garbage), "page_token"),
            ] {
                names_exactly(&get.fails(InvalidArgument).await?, &[path])?;
            }
            names_exactly(
                &c.scan().on("r").resume(&garbage).fails(InvalidArgument).await?,
                &["resume_token"],
            )?;
            names_exactly(&c.delete().fails(InvalidArgument).await?, &["predicate"])?;
            names_exactly(
                &c.delete().all().when("", 0).fails(InvalidArgument).await?,
                &["preconditions[0].key"],
            )
        }
    ),
    case!(
        "violations::list_each_field_once",
        "A field that breaks two rules has one violation.",
        ["ERR-1"],
        |c| {
            let long = [b'k'; 1_025];
            // The key of the second item is too long, and repeats the first; the items are too many, and too large.
            let twice = c.put([item(long, "1"), item(long, "2")]).fails(InvalidArgument).await?;
            names_exactly(&twice, &["items[0].key", "items[1].key"])?;
            let large = (0..1_001).map(|at| item(format!("{at:04}"), vec![7; 4_300]));
            names_exactly(&c.put(large).fails(InvalidArgument).await?, &["items"])?;
            let guarded = c.put_one("a", "1").when("", -1).when(long, 0).when(long, 0);
            let paths = ["preconditions[0].key", "preconditions[0].version"];
            let paths = [&paths[..], &["preconditions[1].key", "preconditions[2].key"]].concat();
            names_exactly(&guarded.fails(InvalidArgument).await?, &paths)?;
            let keys = (0..1_001).map(|at| if at == 7 { String::new() } else { format!("{at}") });
            let named = c.get().keys(keys).fails(InvalidArgument).await?;
            names_exactly(&named, &["predicate.match_keys.keys", "predicate.match_keys.keys[7]"])
        }
    ),
    case!(
        "violations::that_are_not_listed_are_counted",
        "Where not all violations are listed, the last one has the field '...' and says how many are not.",
        ["ERR-1"],
        |c| {
            for faults in [2_usize, 21, 1_000] {
                let refused = c.put((0..faults).map(|_| item("", "v"))).fails(InvalidArgument).await?;
                listed_once(&refused)?;
                let fields = refused.violations.iter().map(|violation| violation.field.as_str());
                let listed = fields.filter(|field| *field != "...").count();
                let last = refused.violations.last().filter(|violation| violation.field == "...");
                let left = faults.saturating_sub(listed);
                let expected = match left {
                    0 => "no violation of field '...'".to_owned(),
                    left => format!("a last violation of field '...', '{}'", unlisted(left)),
                };
                let holds = match last {
                    None => left == 0,
                    Some(last) => left > 0 && last.description == unlisted(left),
                };
                let actual = last.map_or("none".to_owned(), |last| format!("'{}'", last.description));
                refused.expect(
                    holds && listed > 0,
                    format!("after {listed} of {faults} violations {expected} (ERR-1)"),
                    actual,
                )?;
            }
            c.get().ok().await?.is_empty()
        }
    ),
];

/// The failure must have violations of these fields and no others, each once.
pub(super) fn names_exactly(failure: &Reply<Failure>, paths: &[&str]) -> Proof {
    let expected: BTreeSet<_> = paths.iter().copied().collect();
    let actual: BTreeSet<_> = failure.violations.iter().map(|violation| violation.field.as_str()).collect();
    let list = |paths: &BTreeSet<&str>| paths.iter().copied().collect::<Vec<_>>().join(", ");
    failure.expect(
        expected == actual,
        format!("a violation of {} (ERR-1)", list(&expected)),
        if actual.is_empty() { "no violation".to_owned() } else { format!("of {}", list(&actual)) },
    )?;
    listed_once(failure)
}

/// No field may have two violations.
fn listed_once(failure: &Reply<Failure>) -> Proof {
    let mut seen = BTreeSet::new();
    let mut fields = failure.violations.iter().map(|violation| violation.field.as_str());
    match fields.find(|field| !seen.insert(*field)) {
        None => Ok(()),
        Some(twice) => failure.expect(
            false,
            "one violation for each field (ERR-1)",
            format!("{twice} is listed more than once"),
        ),
    }
}
