//! Statuses: each refusal has the status of the contract's table and a machine-readable reason, and leaks nothing.

use prism_contract::keyvalue::Capability;

use super::support::{CONDITIONAL, unchanged};
use crate::core::StatusCode::{FailedPrecondition, InvalidArgument, Unimplemented};
use crate::core::{Failure, Proof, Reply, case};
use crate::keyvalue::{Case, Need, item, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "status::of_a_wrong_request_says_why",
        "INVALID_ARGUMENT carries an ErrorInfo of prism and field violations, in every operation.",
        ["ERR-1"],
        |c| {
            let failures = [
                c.put_one("", "v").fails(InvalidArgument).await?,
                c.get().keys([""]).fails(InvalidArgument).await?,
                c.delete().fails(InvalidArgument).await?,
                c.scan().on("r").range("b", "a").fails(InvalidArgument).await?,
                c.get().page(&bytes::Bytes::from_static(b"no token")).fails(InvalidArgument).await?,
                c.scan()
                    .on("r")
                    .resume(&bytes::Bytes::from_static(b"no token"))
                    .fails(InvalidArgument)
                    .await?,
            ];
            for failure in &failures {
                failure.has_error_info("INVALID_REQUEST")?;
                failure.names_fields()?;
            }
            Ok(())
        }
    ),
    case!(
        "status::of_a_failed_precondition_says_why",
        "FAILED_PRECONDITION carries an ErrorInfo of prism and the failing keys.",
        ["ERR-1", "COND-1"],
        [CONDITIONAL],
        |c| {
            let version = c.put_one("k", "v").ok().await?.version()?;
            let failure =
                c.put_one("k", "w").when("k", 0).when(b"\xff\0", 7).fails(FailedPrecondition).await?;
            failure.has_error_info("PRECONDITION_FAILED")?;
            failure.names::<&[u8]>(&[(b"k", version), (b"\xff\0", 0)])
        }
    ),
    case!(
        "status::of_many_failed_preconditions_arrives",
        "FAILED_PRECONDITION arrives also where 100 preconditions with long keys fail.",
        ["ERR-1"],
        [CONDITIONAL],
        |c| {
            let key = |at: usize| [format!("{at:03}").into_bytes(), vec![0xFF; 1_021]].concat();
            let put = (0..100).fold(c.put_one("k", "v"), |put, at| put.when(key(at), 1));
            put.fails(FailedPrecondition).await?;
            c.get().ok().await?.is_empty()
        }
    ),
    case!(
        "status::of_many_violations_arrives",
        "INVALID_ARGUMENT arrives also where 1,000 items are wrong.",
        ["ERR-1"],
        |c| {
            c.put((0..1_000).map(|_| item("", "v"))).fails(InvalidArgument).await?;
            c.put((0..1_000).map(|_| item("same", "v"))).fails(InvalidArgument).await?;
            c.get().ok().await?.is_empty()
        }
    ),
    case!(
        "status::puts_validity_before_state",
        "A request that is not valid is INVALID_ARGUMENT, whatever its preconditions say.",
        ["ERR-1"],
        [CONDITIONAL],
        |c| {
            c.put_one("k", "v").ok().await?;
            c.put_one("", "v").when("k", 0).fails(InvalidArgument).await?;
            c.delete().when("k", 0).fails(InvalidArgument).await?;
            c.put_one("j", "v").token(-1).when("k", 0).fails(InvalidArgument).await.map(drop)
        }
    ),
    case!(
        "status::puts_validity_before_capability",
        "A request that is not valid is INVALID_ARGUMENT, whatever it needs.",
        ["ERR-1", "CAP-1"],
        [Need::Lacks(Capability::ConditionalWrites)],
        |c| {
            c.put_one("k", "v").ok().await?;
            let before = c.get().ok().await?;
            c.put_one("", "v").when("k", 1).fails(InvalidArgument).await?;
            c.delete().when("k", 1).fails(InvalidArgument).await?;
            c.put_one("k", "w").when("k", 1).fails(Unimplemented).await?;
            unchanged(c, &before).await
        }
    ),
    case!("status::leaks_no_value", "No value and no key stands in a message.", ["ERR-2"], |c| {
        let [value, key] = SECRETS;
        let long_key = format!("{key}{}", "k".repeat(1_024));
        leaks_none(&c.put(items([(key, value), (key, value)])).fails(InvalidArgument).await?, &SECRETS)?;
        leaks_none(&c.put(items([(long_key.as_str(), value)])).fails(InvalidArgument).await?, &SECRETS)?;
        let long_value = format!("{value}{}", "v".repeat(1 << 20));
        leaks_none(&c.put_one(key, long_value).fails(InvalidArgument).await?, &SECRETS)?;
        leaks_none(&c.put_one(key, value).token(-1).fails(InvalidArgument).await?, &SECRETS)?;
        leaks_none(&c.get().range(value, key).fails(InvalidArgument).await?, &SECRETS)
    }),
    case!(
        "status::leaks_no_stored_value",
        "No stored value stands in the message of a failed precondition.",
        ["ERR-2"],
        [CONDITIONAL],
        |c| {
            let [value, new] = SECRETS;
            c.put_one("k", value).ok().await?;
            leaks_none(&c.put_one("k", new).when("k", 0).fails(FailedPrecondition).await?, &SECRETS)
        }
    ),
    case!(
        "status::leaks_no_sql",
        "Names and keys that break SQL in two are data, and no SQL stands in a message.",
        ["ERR-2", "RT-3", "RT-4"],
        |c| {
            let hostile = "k'; DROP TABLE items; --\"`$1 ?1 :a @b %s";
            c.put_one(hostile, hostile).on(hostile).ok().await?;
            c.get().on(hostile).keys([hostile]).ok().await?.holds(&[(hostile, hostile)])?;
            c.get().on(hostile).prefix("k'").ok().await?.holds(&[(hostile, hostile)])?;
            leaks_none(
                &c.get().on(hostile).range(hostile, "a").fails(InvalidArgument).await?,
                &DATABASE_INTERNALS,
            )?;
            leaks_none(
                &c.put_one("", hostile).on(hostile).fails(InvalidArgument).await?,
                &DATABASE_INTERNALS,
            )?;
            c.delete().keys([hostile]).on(hostile).ok().await?.counts(1)
        }
    ),
];

/// No text of the failure may contain any of `secrets`.
pub(super) fn leaks_none(failure: &Reply<Failure>, secrets: &[&str]) -> Proof {
    let descriptions = failure.violations.iter().map(|violation| violation.description.as_str());
    let fields = failure.violations.iter().map(|violation| violation.field.as_str());
    let text = descriptions.chain(fields).chain([failure.message.as_str()]).collect::<Vec<_>>().join("\n");
    let leaked = secrets.iter().find(|secret| text.to_lowercase().contains(&secret.to_lowercase()));
    match leaked {
        None => Ok(()),
        Some(secret) => failure.expect(false, format!("nothing about '{secret}'"), text.clone()),
    }
}

const SECRETS: [&str; 2] = ["Sesame-7f3a", "Aladdin-91bc"];

/// Substrings that reveal the database in a message.
pub(super) const DATABASE_INTERNALS: [&str; 12] = [
    "select ",
    "insert ",
    "delete from",
    "update ",
    "sqlite",
    "postgres",
    "sqlx",
    "syntax",
    "://",
    "/tmp",
    "127.0.0.1",
    "os error",
];
