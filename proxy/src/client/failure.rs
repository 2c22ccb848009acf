//! Why a command did not do what it was asked, in words for people, in JSON for programs, and as an exit code.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::iter::successors;

use prism_wire::channel::{CallError, ConnectError, Fault};
use prism_wire::status::{Decoded, code_name};
use serde_json::{Value, json};
use tonic::Code;

use super::bytes;
use super::jsonl::key_json;

/// Why a command ends early.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line asks for what cannot be; exit code 2.
    Usage(String),
    /// It was refused or it failed; exit code 1.
    Failed(String),
    /// What was wrong has been said already; exit code 1.
    Said,
    /// A server's answer; exit code 1.
    Call(Box<CallError>),
    /// Nobody reads the output any more: nothing is left to do, and nothing to say.
    OutputClosed,
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(Box::new(error))
    }
}

impl Failure {
    /// What became of writing to standard output.
    pub(super) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!("cannot write to standard output: {error}")),
        }
    }

    /// A connection that was not made.
    pub(super) fn connect(endpoint: &str, error: &ConnectError) -> Self {
        match error {
            ConnectError::Endpoint(_) | ConnectError::Token | ConnectError::NotTls => {
                Self::Usage(error.to_string())
            }
            ConnectError::Tls(_) => Self::Failed(error.to_string()),
            ConnectError::Unreachable(_) if refused(error) => Self::Failed(format!(
                "no server answers at {endpoint}; start one with 'prism serve', or name another with --endpoint"
            )),
            ConnectError::Unreachable(_) | ConnectError::TimedOut(_) => {
                let hint = error.fault().map(|fault| format!("\n  {}", fault.hint())).unwrap_or_default();
                Self::Failed(format!("{endpoint}: {error}{hint}"))
            }
        }
    }

    /// The process' exit code.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) | Self::Said | Self::Call(_) => 1,
            Self::OutputClosed => 0,
        }
    }

    /// Says it on standard error; as one line of JSON if `json`.
    pub(super) fn report(&self, json: bool) {
        let text = match (self, json) {
            (Self::OutputClosed | Self::Said, _) => return,
            (_, true) => json!({ "error": self.to_json() }).to_string(),
            (_, false) => format!("prism: {}", self.text()),
        };
        // There is nowhere left to complain when standard error itself is gone.
        let _ = writeln!(io::stderr(), "{text}");
    }

    fn text(&self) -> String {
        match self {
            Self::Usage(why) | Self::Failed(why) => why.clone(),
            Self::Call(error) => {
                let hint = error.status().and_then(|status| match Fault::read(&status.message) {
                    Some(fault) if status.code == Code::Unavailable => Some(fault.hint()),
                    Some(_) | None => hint(status.code),
                });
                let hint = hint.map(|hint| format!("\n  {hint}"));
                call_text(error) + &hint.unwrap_or_default()
            }
            Self::Said | Self::OutputClosed => String::new(),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Usage(why) | Self::Failed(why) => json!({ "message": why }),
            Self::Call(error) => match error.status() {
                Some(status) => status_json(status),
                None => json!({ "message": error.to_string() }),
            },
            Self::Said | Self::OutputClosed => Value::Null,
        }
    }
}

/// Whether nobody listens there.
fn refused(error: &ConnectError) -> bool {
    let first: &(dyn Error + 'static) = error;
    let mut chain = successors(Some(first), |&error| error.source());
    chain.any(|error| {
        let system = error.downcast_ref::<io::Error>();
        system.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    })
}

/// What a call's error says: the status and its message, then a line for each detail.
pub(super) fn call_text(error: &CallError) -> String {
    let Some(status) = error.status() else {
        return format!("the server's answer breaks the contract: {error}");
    };
    // A single violation is the message already; of several, it is the first.
    let mut text = match status.violations.as_slice() {
        [] | [_] => status.to_string(),
        several => format!("{}: {} fields are not valid", code_name(status.code), several.len()),
    };
    if status.violations.len() > 1 {
        for violation in &status.violations {
            let _ = write!(text, "\n  {}: {}", violation.field, violation.description);
        }
    }
    for (key, version) in failed_preconditions(status) {
        let _ = write!(text, "\n  {key}: {version}");
    }
    text
}

/// Each failing key, and what is said of its version (COND-1).
fn failed_preconditions(status: &Decoded) -> Vec<(String, String)> {
    if status.failed_preconditions.is_empty() {
        let said = status.precondition_violations.iter();
        return said.map(|said| (said.subject.clone(), said.description.clone())).collect();
    }
    let failed = status.failed_preconditions.iter().map(|failed| {
        let version = match failed.current_version {
            0 => "absent (version 0)".to_owned(),
            version => format!("current version {version}"),
        };
        (bytes::escape(&failed.key), version)
    });
    failed.collect()
}

/// How to go on after a status.
fn hint(code: Code) -> Option<&'static str> {
    match code {
        Code::Unauthenticated => Some("give a token with --token-file or in PRISM_TOKEN"),
        Code::Unavailable => Some("try again; a write may or may not have been done"),
        Code::DeadlineExceeded => {
            Some("try again, or give it longer with --timeout; a write may or may not have been done")
        }
        Code::ResourceExhausted => Some("nothing was done; try again later"),
        Code::Internal | Code::Unknown => Some("the server's log says more"),
        _ => None,
    }
}

fn status_json(status: &Decoded) -> Value {
    let mut error = json!({ "status": code_name(status.code), "message": status.message });
    if !status.reason.is_empty() {
        error["reason"] = json!(status.reason);
    }
    if !status.violations.is_empty() {
        let violations = status.violations.iter();
        error["violations"] =
            violations.map(|said| json!({ "field": said.field, "description": said.description })).collect();
    }
    if !status.failed_preconditions.is_empty() {
        let failed = status.failed_preconditions.iter();
        error["failed_preconditions"] = failed
            .map(|failed| {
                let mut said = key_json(&failed.key);
                said.insert("current_version".to_owned(), json!(failed.current_version));
                Value::Object(said)
            })
            .collect();
    }
    if let Some(after) = status.retry_after {
        error["retry_after_ms"] = json!(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    }
    error
}
