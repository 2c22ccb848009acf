//! Flaws in the details of a refusal that only its bytes over gRPC show.

use bytes::Bytes;
use prost::Message;
use prost_types::Any;
use tonic_types::pb;

use crate::keyvalue::mutants::{Bug, Flaw};

const STANDARD: &str = "google.rpc.PreconditionFailure";
const TYPED: &str = "prism.common.FailedPreconditions";

/// More than the room that the details of any refusal leave.
const PADDING: usize = 5 << 10;

impl Flaw {
    /// The details that this edge sends (ERR-1); `encoded` is a `google.rpc.Status`.
    pub(super) fn flawed_details(self, encoded: Bytes) -> Bytes {
        let Ok(mut status) = pb::Status::decode(encoded.clone()) else { return encoded };
        if self.has(Bug::DetailsLackTheTypedPreconditions) {
            status.details.retain(|detail| !is(detail, TYPED));
        }
        if self.has(Bug::DetailsExceedTheTrailer) && status.details.iter().any(|detail| is(detail, STANDARD))
        {
            let stack_entries = vec!["at".repeat(PADDING / 2)];
            let value = pb::DebugInfo { stack_entries, detail: String::new() }.encode_to_vec();
            let type_url = "type.googleapis.com/google.rpc.DebugInfo".to_owned();
            status.details.push(Any { type_url, value });
        }
        for detail in status.details.iter_mut().filter(|detail| is(detail, STANDARD)) {
            let Ok(mut list) = pb::PreconditionFailure::decode(detail.value.as_slice()) else { continue };
            self.reword_preconditions(&mut list);
            detail.value = list.encode_to_vec();
        }
        status.encode_to_vec().into()
    }

    fn reword_preconditions(self, list: &mut pb::PreconditionFailure) {
        if self.has(Bug::LeavesOutPreconditionsThatDoNotFit) {
            list.violations.retain(|violation| violation.r#type != "OVERFLOW");
        }
        for violation in &mut list.violations {
            if self.has(Bug::CountsPreconditionsUnderAnInventedKey) && violation.r#type == "OVERFLOW" {
                violation.r#type = "VERSION".to_owned();
                violation.description = "current version 0".to_owned();
            }
            if self.has(Bug::EscapesKeysInUpperCase) {
                violation.subject = upper_case_escapes(&violation.subject);
            }
            if self.has(Bug::LeavesBackslashesInKeys) {
                violation.subject = violation.subject.replace(r"\\", r"\");
            }
        }
    }
}

fn is(detail: &Any, name: &str) -> bool {
    detail.type_url.rsplit('/').next() == Some(name)
}

/// `\xFF` instead of `\xff`.
fn upper_case_escapes(subject: &str) -> String {
    let mut parts = subject.split(r"\x");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |subject, part| match part.split_at_checked(2) {
        Some((digits, rest)) => subject + r"\x" + &digits.to_uppercase() + rest,
        None => subject + r"\x" + part,
    })
}
