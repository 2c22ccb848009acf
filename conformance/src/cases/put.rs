//! Put: it replaces items, whole and all together, and refuses without a trace.

use crate::StatusCode::InvalidArgument;
use crate::case::{Case, Proof, case};
use crate::{Ctx, item, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "put",
        replaces_the_whole_item,
        "A Put replaces the whole item, value and client metadata.",
        ["PUT-1"]
    ),
    case!("put", leaves_other_items_alone, "A Put leaves the record's other items alone.", ["PUT-2"]),
    case!(
        "put",
        refuses_a_key_named_twice,
        "A duplicate key within a Put is refused and nothing of it is written.",
        ["PUT-4", "PUT-6"]
    ),
];

async fn replaces_the_whole_item(c: &Ctx) -> Proof {
    let mut old = item("k", "old");
    old.content_type = "text/plain".to_owned();
    old.compression = 2;
    c.put([old]).ok().await?;
    c.put_one("k", "new").ok().await?;
    let read = c.get().ok().await?;
    read.holds(&[("k", "new")])?;
    let new = read.item("k")?;
    read.same("content_type and compression", &("", 0), &(new.content_type.as_str(), new.compression))
}

async fn leaves_other_items_alone(c: &Ctx) -> Proof {
    c.put(items([("a", "1"), ("b", "2")])).ok().await?;
    c.put_one("a", "3").ok().await?;
    c.get().ok().await?.holds(&[("a", "3"), ("b", "2")])
}

async fn refuses_a_key_named_twice(c: &Ctx) -> Proof {
    c.put(items([("a", "1"), ("b", "2"), ("a", "3")])).fails(InvalidArgument).await?;
    c.get().ok().await?.is_empty()
}
