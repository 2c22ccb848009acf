//! Why a command failed, and the exit code that tells it.

use std::fmt::Display;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// What it was told is not valid: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It could not be done, or an answer was wrong: exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl Failure {
    /// A failure of `what`, for the reason `why`.
    pub fn of(what: &str, why: &impl Display) -> Self {
        Self::Failed(format!("{what}: {why}"))
    }

    /// The exit code that tells it.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::from(1),
        }
    }
}
