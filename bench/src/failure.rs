//! Failures of commands, with their exit codes.

use std::fmt::Display;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Invalid arguments: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It failed, or an answer was wrong: exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl Failure {
    /// A failure of `what` with the cause `why`.
    pub fn of(what: &str, why: &impl Display) -> Self {
        Self::Failed(format!("{what}: {why}"))
    }

    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::from(1),
        }
    }
}
