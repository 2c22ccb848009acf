//! Why a command failed: as text for people, as JSON for programs, and as an exit code.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::iter::successors;

use prism_wire::channel::{CallError, ConnectError, Fault};
use prism_wire::status::{Decoded, code_name};
use serde_json::{Value, json};
use tonic::Code;

use super::absent::Absent;
use super::bytes;
use super::jsonl::key_json;
use crate::exit::{Exit, ExitError};
use crate::terminal::{Palette, json_for_stderr, printable};

/// Why a command failed or ended early.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command was refused or failed.
    Exit(ExitError),
    /// Records or items that were named do not exist.
    NotFound(Absent),
    /// The command failed after it had found that records or items do not exist.
    After(Absent, Box<Failure>),
    /// The failure was reported already.
    Reported,
    /// A call failed.
    Call(Box<CallError>),
    /// The reader of the output is gone: exit silently with 0.
    OutputClosed,
}

impl From<ExitError> for Failure {
    fn from(error: ExitError) -> Self {
        Self::Exit(error)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(Box::new(error))
    }
}

impl Failure {
    /// A failure of the kind `exit`.
    pub(super) fn new(exit: Exit, why: impl Into<String>) -> Self {
        ExitError::new(exit, why).into()
    }

    /// The command line is invalid.
    pub(super) fn usage(why: impl Into<String>) -> Self {
        ExitError::usage(why).into()
    }

    /// A failure of no other kind.
    pub(super) fn failed(why: impl Into<String>) -> Self {
        ExitError::failed(why).into()
    }

    /// A failed write to standard output.
    pub(super) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::failed(format!("cannot write to standard output: {error}")),
        }
    }

    /// A failed connection.
    pub(super) fn connect(endpoint: &str, error: &ConnectError) -> Self {
        match error {
            ConnectError::Endpoint(_) | ConnectError::Token | ConnectError::NotTls | ConnectError::Tls(_) => {
                Self::usage(error.to_string())
            }
            ConnectError::Unreachable(_) if is_connection_refused(error) => {
                let how = "start one with 'prism serve', or name another with --endpoint";
                Self::new(Exit::Unavailable, format!("no server answers at {endpoint}; {how}"))
            }
            ConnectError::Unreachable(_) | ConnectError::TimedOut(_) => {
                let hint = error.fault().map(|fault| format!("\n  {}", fault.hint())).unwrap_or_default();
                Self::new(Exit::of_connection(error.fault()), format!("{endpoint}: {error}{hint}"))
            }
        }
    }

    /// The kind of the failure.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Exit(error) => error.exit,
            Self::NotFound(_) => Exit::NotFound,
            Self::After(_, failure) => failure.exit(),
            Self::Reported => Exit::Failed,
            Self::Call(error) => call_exit(error),
            Self::OutputClosed => Exit::Done,
        }
    }

    /// Prints it on standard error; as one line of JSON if `json`.
    pub(super) fn report(&self, json: bool) {
        let text = match (self, json) {
            (Self::OutputClosed | Self::Reported, _) => return,
            (_, true) => json_for_stderr(&json!({ "error": self.to_json() }).to_string()),
            (_, false) => {
                let error = Palette::stderr().error;
                format!("{error}prism:{error:#} {}", printable(&self.text()))
            }
        };
        // A failure to write to standard error cannot be reported anywhere.
        let _ = writeln!(io::stderr(), "{text}");
    }

    fn text(&self) -> String {
        match self {
            Self::Exit(error) => error.message.clone(),
            Self::NotFound(absent) => absent.to_string(),
            Self::After(absent, failure) => format!("{}\nbefore that: {absent}", failure.text()),
            Self::Call(error) => {
                let hint = error.status().and_then(|status| match Fault::read(&status.message) {
                    Some(fault) if status.code == Code::Unavailable => Some(fault.hint()),
                    Some(_) | None => hint(status.code),
                });
                let hint = hint.map(|hint| format!("\n  {hint}"));
                call_text(error) + &hint.unwrap_or_default()
            }
            Self::Reported | Self::OutputClosed => String::new(),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Exit(error) => json!({ "message": error.message }),
            Self::NotFound(absent) => json!({ "message": absent.to_string(), "absent": absent.to_json() }),
            Self::After(absent, failure) => {
                let mut error = failure.to_json();
                error["absent"] = absent.to_json();
                error
            }
            Self::Call(error) => match error.status() {
                Some(status) => status_json(status),
                None => json!({ "message": error.to_string() }),
            },
            Self::Reported | Self::OutputClosed => Value::Null,
        }
    }
}

/// Whether the connection was refused: no process listens there.
fn is_connection_refused(error: &ConnectError) -> bool {
    let first: &(dyn Error + 'static) = error;
    let mut chain = successors(Some(first), |&error| error.source());
    chain.any(|error| {
        let io_error = error.downcast_ref::<io::Error>();
        io_error.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    })
}

/// The kind of a call's failure; an answer that breaks the contract has no separate kind.
pub(super) fn call_exit(error: &CallError) -> Exit {
    error.status().map_or(Exit::Failed, Exit::of_status)
}

/// A call's error as text: the status and its message, then a line for each detail.
pub(super) fn call_text(error: &CallError) -> String {
    let Some(status) = error.status() else {
        return format!("the server's response breaks the contract: {error}");
    };
    // With a single violation the message says it already; with several it says only the first.
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

/// Each failing key, and its version as text (COND-1).
fn failed_preconditions(status: &Decoded) -> Vec<(String, String)> {
    if status.failed_preconditions.is_empty() {
        let violations = status.precondition_violations.iter();
        return violations
            .map(|violation| (violation.subject.clone(), violation.description.clone()))
            .collect();
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

/// What to do about a status.
fn hint(code: Code) -> Option<&'static str> {
    match code {
        Code::Unauthenticated => Some("give a token with --token-file or in PRISM_TOKEN"),
        Code::Unavailable => Some("try again; a write may or may not have been done"),
        Code::DeadlineExceeded => {
            Some("try again, or raise --timeout; a write may or may not have been done")
        }
        Code::ResourceExhausted => Some("nothing was done; try again later"),
        Code::Internal | Code::Unknown => Some("the server's log has the details"),
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
        error["violations"] = violations
            .map(|violation| json!({ "field": violation.field, "description": violation.description }))
            .collect();
    }
    if !status.failed_preconditions.is_empty() {
        let failed = status.failed_preconditions.iter();
        error["failed_preconditions"] = failed
            .map(|failed| {
                let mut object = key_json(&failed.key);
                object.insert("current_version".to_owned(), json!(failed.current_version));
                Value::Object(object)
            })
            .collect();
    }
    if let Some(after) = status.retry_after {
        error["retry_after_ms"] = json!(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    }
    error
}
