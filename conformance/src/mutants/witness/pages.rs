//! Pages and streams: their borders, their sizes and their tokens.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use prism_contract::keyvalue::request::{ScanRequest, SelectionInput};

use crate::case::Proof;
use crate::{Ctx, Failure, Outcome, Request, Restart, Stop, items};

async fn five(c: &Ctx) -> Proof {
    let values = ["1".repeat(10), String::new(), "3".repeat(300), "4".repeat(10), "5".repeat(10)];
    c.put(items(["a", "b", "c", "d", "e"].into_iter().zip(values))).sent().await?;
    Ok(())
}

/// Pages of every size, forwards and in reverse.
pub(in crate::mutants) async fn sizes(c: &Ctx) -> Proof {
    five(c).await?;
    for items in [1, 2, 5, 2_000] {
        c.get().page_of(items).sent().await?;
    }
    for bytes in [50, 320, 500] {
        c.get().page_bytes(bytes).sent().await?;
        c.get().page_bytes(bytes).keys_only().sent().await?;
    }
    c.get().page_of(2).pages().await?;
    c.get().page_of(2).reverse().pages().await?;
    Ok(())
}

/// Pages between which something is written.
pub(in crate::mutants) async fn with_writes_between(c: &Ctx) -> Proof {
    five(c).await?;
    let first = c.get().page_of(2).ok().await?;
    c.put_one("0", "new").sent().await?;
    c.get().page_of(2).page(&first.next_page_token).sent().await?;
    c.delete().keys(["b"]).sent().await?;
    c.get().page_of(2).page(&first.next_page_token).sent().await?;
    Ok(())
}

/// Tokens brought to other requests than their own.
pub(in crate::mutants) async fn excluded(c: &Ctx) -> Proof {
    five(c).await?;
    let token = c.get().page_of(2).ok().await?.next_page_token.clone();
    c.get().page(&token).on("other").sent().await?;
    c.get().page(&token).within("b").sent().await?;
    c.get().page(&token).prefix("").sent().await?;
    c.get().page(&token).reverse().sent().await?;
    c.scan().with(|scan| scan.id = "r".to_owned()).resume(&token).sent().await?;
    c.get().page(&Bytes::from_static(b"garbage")).sent().await?;
    c.get().page(&token).page_of(1).sent().await?;
    Ok(())
}

/// Tokens brought to another process.
pub(in crate::mutants) async fn other_processes(c: &Ctx) -> Proof {
    five(c).await?;
    let token = c.get().page_of(2).ok().await?.next_page_token.clone();
    for gateway in c.instance().gateways() {
        c.get().page_of(2).page(&token).via(gateway).sent().await?;
    }
    c.restart(Restart::Clean).await?;
    c.get().page_of(2).page(&token).sent().await?;
    Ok(())
}

/// Streams over several records, cut, resumed, limited and mirrored.
pub(in crate::mutants) async fn streams(c: &Ctx) -> Proof {
    c.scan().sent().await?;
    for (id, key) in [("b", "x"), ("B", "x"), ("ab", "a"), ("a", "c"), ("a", "d"), ("\u{e9}", "x")] {
        c.put_one(key, "v").on(id).sent().await?;
    }
    c.scan().sent().await?;
    c.scan().reverse().sent().await?;
    c.scan().limit(2).sent().await?;
    c.scan().page_bytes(197).sent().await?;
    let cut = c.scan().page_of(1).cut_after(2).ok().await?;
    c.scan().page_of(1).resume(&cut.resume_token()).sent().await?;
    Ok(())
}

/// A stream of which one message is read, and the others once everything is deleted.
pub(in crate::mutants) async fn slow_reader(c: &Ctx) -> Proof {
    five(c).await?;
    let asked = ScanRequest {
        namespace: c.namespace(""),
        selection: SelectionInput { item_limit: 1, ..SelectionInput::default() },
        ..ScanRequest::default()
    };
    let mut stream = c.store().scan_messages(asked.clone()).await.map_err(broken)?;
    let mut read = Vec::from_iter(stream.next().await.transpose().map_err(broken)?);
    c.delete().all().sent().await?;
    read.extend(stream.try_collect::<Vec<_>>().await.map_err(broken)?);
    c.record(Request::Scan(asked, None), Outcome::Scan(read));
    Ok(())
}

fn broken(failure: Failure) -> Stop {
    Stop::Broken(failure.message)
}
