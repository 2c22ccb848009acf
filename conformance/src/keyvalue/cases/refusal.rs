//! Refused requests: they change nothing, whatever the reason.

use prism_contract::keyvalue::request::{GetResponse, ItemInput, KeyPredicate, Ttl};

use super::support::{CONDITIONAL, TOKENS, finds_nothing, unchanged};
use crate::core::StatusCode::{FailedPrecondition, InvalidArgument};
use crate::core::{Reply, case};
use crate::keyvalue::{Case, Ctx, PutCall, item, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "refusal::a_refused_put_leaves_the_record_as_it_was",
        "A Put refused for any of its fields leaves every item exactly as it was.",
        ["PUT-6"],
        |c| {
            let before = two_items(c).await?;
            let put = || c.put(items([("a", "x"), ("c", "y")]));
            let too_long = || item(vec![b'k'; 1_025], "v");
            let invalid: [PutCall<'_>; 7] = [
                put().token(-1),
                put().with(|put| put.ttl = Some(Ttl { seconds: 0, nanos: 0 })),
                put().with(|put| put.ttl = Some(Ttl { seconds: -1, nanos: 0 })),
                put().with(|put| put.items.push(too_long())),
                put().with(|put| put.items.push(item("", "v"))),
                put().with(|put| put.items.push(item("a", "again"))),
                put().when("", 1),
            ];
            for put in invalid {
                put.fails(InvalidArgument).await?;
                unchanged(c, &before).await?;
            }
            Ok(())
        }
    ),
    case!(
        "refusal::a_refused_put_makes_no_record",
        "A Put refused for one bad item writes none of the good ones.",
        ["PUT-6", "PUT-3"],
        |c| {
            let mut typed = item("z", "v");
            typed.content_type = "x".repeat(128);
            let bad_last: [ItemInput; 3] = [item("", "v"), item(vec![0xFF; 1_025], "v"), typed];
            for bad in bad_last {
                c.put([item("a", "1"), item("b", "2"), bad]).fails(InvalidArgument).await?;
                c.get().ok().await?.is_empty()?;
                finds_nothing(&c.scan().on("r").ok().await?)?;
            }
            Ok(())
        }
    ),
    case!(
        "refusal::a_refused_delete_leaves_the_record_as_it_was",
        "A Delete refused for any of its fields removes nothing.",
        ["PUT-6"],
        |c| {
            let before = two_items(c).await?;
            let invalid = [
                c.delete().all().token(-1),
                c.delete(),
                c.delete().choose(KeyPredicate::Unset),
                c.delete().range("b", "a"),
                c.delete().keys::<&str>([]),
                c.delete().keys(["a", ""]),
                c.delete().all().when("", 1),
            ];
            for delete in invalid {
                delete.fails(InvalidArgument).await?;
                unchanged(c, &before).await?;
            }
            Ok(())
        }
    ),
    case!(
        "refusal::a_refused_token_is_not_remembered",
        "A refused write does not raise the highest token.",
        ["PUT-6", "TOK-1"],
        [TOKENS],
        |c| {
            c.put([item("a", "1"), item("", "bad")]).token(9).fails(InvalidArgument).await?;
            c.delete().keys(["a", ""]).token(9).fails(InvalidArgument).await?;
            c.put_one("a", "2").token(1).ok().await?.applied(&[true])?;
            c.put([item("a", "3"), item("a", "4")]).token(9).fails(InvalidArgument).await?;
            c.put_one("a", "5").token(2).ok().await?.applied(&[true])
        }
    ),
    case!(
        "refusal::a_put_that_fails_its_precondition_leaves_the_record_as_it_was",
        "A Put whose precondition fails changes neither its own items nor others.",
        ["PUT-6", "COND-1"],
        [CONDITIONAL],
        |c| {
            let before = two_items(c).await?;
            c.put(items([("a", "x"), ("c", "y")])).when("b", 0).fails(FailedPrecondition).await?;
            unchanged(c, &before).await
        }
    ),
    case!("refusal::an_empty_put_is_refused", "A Put without items is refused.", ["ERR-1", "PUT-6"], |c| {
        c.put([]).fails(InvalidArgument).await?;
        c.get().ok().await?.is_empty()
    }),
];

async fn two_items(c: &Ctx) -> Result<Reply<GetResponse>, crate::core::Stop> {
    c.put(items([("a", "1"), ("b", "2")])).ok().await?;
    let before = c.get().ok().await?;
    c.advance(c.tick()).await?;
    Ok(before)
}
