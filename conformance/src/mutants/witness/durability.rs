//! What is there after a restart, a crash, and a crash in the middle of a write.

use std::time::Duration;

use futures::try_join;

use crate::case::Proof;
use crate::{Ctx, Failure, Outcome, Request, Restart, StatusCode, items};

const SECOND: Duration = Duration::from_secs(1);

/// Items, tokens, versions and expiries before and after `how`.
async fn stop(c: &Ctx, how: Restart) -> Proof {
    c.put(items([("a", "1"), ("b", "2")])).token(5).sent().await?;
    c.put_one("c", "3").ttl(SECOND).sent().await?;
    c.delete().keys(["a", "b"]).token(7).sent().await?;
    c.delete().keys(["c"]).sent().await?;
    c.put_one("d", "4").token(5).ttl(SECOND).sent().await?;
    c.restart(how).await?;
    c.get().sent().await?;
    for key in ["a", "b", "d"] {
        c.put_one(key, "x").token(5).sent().await?;
    }
    c.put_one("c", "5").sent().await?;
    c.get().sent().await?;
    Ok(())
}

/// A clean restart.
pub(in crate::mutants) async fn restart(c: &Ctx) -> Proof {
    stop(c, Restart::Clean).await
}

/// A kill.
pub(in crate::mutants) async fn crash(c: &Ctx) -> Proof {
    stop(c, Restart::Crash).await
}

/// Versions after a restart that follows a delete.
pub(in crate::mutants) async fn versions(c: &Ctx) -> Proof {
    c.put_one("k", "1").sent().await?;
    c.delete().all().sent().await?;
    c.restart(Restart::Clean).await?;
    c.put_one("k", "2").sent().await?;
    Ok(())
}

/// A kill while a Put is under way.
pub(in crate::mutants) async fn crash_in_a_put(c: &Ctx) -> Proof {
    let put = c.put(items([("a", "1"), ("b", "2")])).sent();
    try_join!(put, c.restart(Restart::Crash))?;
    c.get().sent().await?;
    Ok(())
}

/// What the database says of its settings, written down as the answer to a sweep.
pub(in crate::mutants) async fn settings(c: &Ctx) -> Proof {
    let settings = c.instance().durable_settings().await;
    let said = Failure::new(StatusCode::Unknown, format!("{settings:?}"));
    c.record(Request::Sweep, Outcome::Failed(said));
    Ok(())
}
