//! Health and reflection, the services beside the service.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{HEALTH, PROMPT, REFLECTION, SERVICE, call, contains, said, text};
use crate::Ctx;
use crate::case::Proof;

/// `status: SERVING` or `status: NOT_SERVING`, as bytes.
fn serving(is: bool) -> Vec<u8> {
    vec![1 << 3, if is { 1 } else { 2 }]
}

pub(super) async fn health_and_reflection_answer(c: &Ctx) -> Proof {
    for service in ["", SERVICE] {
        let ask = if service.is_empty() { Vec::new() } else { text(1, service) };
        let answer = call(c, HEALTH, ask, None).await?;
        let is_so = answer.as_ref().is_ok_and(|messages| *messages == [serving(true)]);
        answer.expect(is_so, "SERVING", said(&answer))?;
    }
    let answer = call(c, REFLECTION, text(7, ""), None).await?;
    for service in [SERVICE, "grpc.health.v1.Health"] {
        let lists = answer
            .as_ref()
            .is_ok_and(|messages| messages.iter().any(|message| contains(message, service.as_bytes())));
        answer.expect(lists, format!("a list with {service}"), said(&answer))?;
    }
    Ok(())
}

pub(super) async fn health_follows_the_database(c: &Ctx) -> Proof {
    for away in [true, false] {
        c.outage(away).await?;
        let until = Instant::now() + PROMPT;
        loop {
            let answer = call(c, HEALTH, Vec::new(), None).await?;
            let is_so = answer.as_ref().is_ok_and(|messages| *messages == [serving(!away)]);
            if is_so {
                break;
            }
            let expected = format!("{} within {PROMPT:?}", if away { "NOT_SERVING" } else { "SERVING" });
            answer.expect(Instant::now() < until, expected, said(&answer))?;
            sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}
