//! The end of a Scan whose rest is deleted while it is read.

use futures::StreamExt;
use prism_contract::keyvalue::request::{ScanRequest, ScanResponse, SelectionInput};

use crate::core::{Divergence, Failure, Reply, Stop, case, failure_text};
use crate::keyvalue::{Action, Case, Ctx, Outcome};

pub(super) const CASES: &[Case] = &[case!(
    "scan::whose_rest_is_deleted_ends_with_a_last_message",
    "A Scan whose rest is deleted while it is read ends with a message without a resume_token.",
    ["SCAN-1"],
    |c| {
        // Large items, one to a message, so that a server over a socket has not sent all of them before the Delete.
        let large = vec![b'v'; 1 << 20];
        for n in 0..ITEMS {
            c.put_one([b'a' + n], &large).ok().await?;
        }
        // Separate connection: unread messages block all calls on a shared one.
        let store = c.instance().connect().await?;
        let selection = SelectionInput { item_limit: 1, ..SelectionInput::default() };
        let request = ScanRequest {
            namespace: c.namespace(""),
            id: "r".to_owned(),
            selection,
            ..ScanRequest::default()
        };
        let opened = store.scan_messages(request).await;
        let mut messages = opened.map_err(|failure| failed(c, &failure))?;
        let mut read: Vec<ScanResponse> = Vec::new();
        while let Some(message) = messages.next().await {
            read.push(message.map_err(|failure| failed(c, &failure))?);
            if read.len() == 1 {
                c.delete().range("b", "").ok().await?;
            }
        }
        let action = format!(
            "scan \"r\" page of 1, and delete what is left after its first message: {} messages",
            read.len()
        );
        let step = c.record(Action::Raw(action), Outcome::Done);
        let read = Reply::at(step, read);
        let first = read.first().map_or(0, |message| message.entries.len());
        read.same("entries of the first message", &1, &first)?;
        let tokens: Vec<_> = read.iter().map(|message| !message.resume_token.is_empty()).collect();
        let actual = match tokens.last() {
            Some(true) => "the stream ended after a message with a resume_token",
            Some(false) => "a message without a resume_token before the last",
            None => "no message",
        };
        let ends = tokens.last() == Some(&false) && !tokens[..tokens.len() - 1].contains(&false);
        read.expect(ends, "a last message, and only that one, with an empty resume_token (SCAN-1)", actual)
    }
)];

const ITEMS: u8 = 8;

fn failed(c: &Ctx, failure: &Failure) -> Stop {
    let step = c.record(Action::Raw("read a message of a Scan".to_owned()), Outcome::Failed(failure.clone()));
    let actual = failure_text(failure);
    Stop::Diverged(Divergence { step: Some(step), expected: "a message".to_owned(), actual })
}
