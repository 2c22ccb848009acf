//! The contract's error type, and the statuses it maps to (ERR-1).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Code;

/// One invalid field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// The path of the field, such as `items[3].key`.
    pub field: String,
    /// The fault, and what is allowed.
    pub description: String,
}

impl FieldViolation {
    /// The last violation of a list that is not complete: its field is `...`, which is the path of no field (ERR-1).
    pub fn unlisted(count: usize) -> Self {
        let description = format!("{count} more violations are not listed");
        Self { field: "...".to_owned(), description }
    }
}

/// A precondition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreconditionFailure {
    /// Its key.
    pub key: Bytes,
    /// The key's current version; 0: absent.
    pub current_version: i64,
}

/// The cause of an error, for the log only: it may hold SQL or a path, so it is never sent to a client (ERR-2).
#[derive(Clone)]
pub struct Cause(Arc<dyn std::error::Error + Send + Sync>);

impl Cause {
    /// Keeps `error` for the log.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }

    /// The texts of the error and of its sources, the outermost first.
    pub fn chain(&self) -> impl Iterator<Item = String> {
        let first: &(dyn std::error::Error + 'static) = &*self.0;
        std::iter::successors(Some(first), |error| error.source()).map(ToString::to_string)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain().collect::<Vec<_>>().join(": "))
    }
}

/// Why an operation failed. `Display` is safe to show to a client; a [`Cause`] is not.
#[derive(Debug, Clone)]
pub enum Error {
    /// The request is invalid: every violation found.
    InvalidArgument(Vec<FieldViolation>),
    /// Preconditions that do not hold: all of them, in request order; nothing was written (COND-1).
    PreconditionFailed(Vec<PreconditionFailure>),
    /// No credentials, or unknown ones.
    Unauthenticated,
    /// The caller lacks this permission.
    PermissionDenied(String),
    /// The server serves no such namespace. Only callers that may use it learn this.
    NamespaceNotFound,
    /// The namespace holds data of this other abstraction.
    WrongAbstraction(&'static str),
    /// A token before events that have expired, of another incarnation of the store, or beyond its end (TAIL-6, QRY-9).
    TokenExpired,
    /// Load was shed before anything was done. Retry delay.
    ResourceExhausted(Duration),
    /// The store is unavailable. A write may or may not have taken effect.
    Unavailable {
        /// Delay before the next attempt.
        retry_after: Duration,
        /// For the log.
        cause: Cause,
    },
    /// The deadline passed; a write is whole or absent (ERR-4).
    DeadlineExceeded,
    /// A Delete covers more items than the store can delete within its time limit. Nothing was deleted (DEL-5). The same
    /// Delete would fail again, so there is no retry delay: it must be split into ranges.
    DeleteTooLarge,
    /// The backend does not declare this capability (CAP-1).
    Unimplemented(&'static str),
    /// The stored data of an item cannot be read, and no retry will help: it is damaged, or it was moved here from another
    /// item. Other items of the record can be read, and this one can be overwritten and deleted. A key may be personal data,
    /// so the item is named by its position.
    DataLoss {
        /// Position on the requested page, from 0. A page ends before a damaged item unless that is its first.
        item: usize,
        /// For the log.
        cause: Cause,
    },
    /// A bug, or a damaged store.
    Internal(Cause),
}

impl Error {
    /// A single violation.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::InvalidArgument(vec![FieldViolation { field: field.into(), description: description.into() }])
    }

    /// The store is unavailable; the retry delay is 100 ms.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable { retry_after: Duration::from_millis(100), cause: Cause::new(cause) }
    }

    /// The stored data of an item cannot be read; `item` is its position on the page.
    pub fn data_loss(item: usize, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::DataLoss { item, cause: Cause::new(cause) }
    }

    /// A bug.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(Cause::new(cause))
    }

    /// Its status code.
    pub const fn code(&self) -> Code {
        match self {
            Self::InvalidArgument(_) => Code::InvalidArgument,
            Self::PreconditionFailed(_) | Self::WrongAbstraction(_) => Code::FailedPrecondition,
            Self::TokenExpired => Code::OutOfRange,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::PermissionDenied(_) => Code::PermissionDenied,
            Self::NamespaceNotFound => Code::NotFound,
            Self::ResourceExhausted(_) => Code::ResourceExhausted,
            Self::Unavailable { .. } => Code::Unavailable,
            Self::DeadlineExceeded | Self::DeleteTooLarge => Code::DeadlineExceeded,
            Self::Unimplemented(_) => Code::Unimplemented,
            Self::DataLoss { .. } => Code::DataLoss,
            Self::Internal(_) => Code::Internal,
        }
    }

    /// The `reason` of its ErrorInfo, a name of `prism.common.ErrorReason` (ERR-1).
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::InvalidArgument(_) => "INVALID_REQUEST",
            Self::PreconditionFailed(_) => "PRECONDITION_FAILED",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::PermissionDenied(_) => "PERMISSION_DENIED",
            Self::NamespaceNotFound => "NAMESPACE_NOT_FOUND",
            Self::WrongAbstraction(_) => "WRONG_ABSTRACTION",
            Self::TokenExpired => "TOKEN_EXPIRED",
            Self::ResourceExhausted(_) => "OVERLOADED",
            Self::Unavailable { .. } => "BACKEND_UNAVAILABLE",
            Self::DeadlineExceeded | Self::DeleteTooLarge => "DEADLINE_EXCEEDED",
            Self::Unimplemented(_) => "CAPABILITY_NOT_DECLARED",
            Self::DataLoss { .. } => "DATA_LOSS",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// Its cause, for the log.
    pub const fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Unavailable { cause, .. } | Self::DataLoss { cause, .. } | Self::Internal(cause) => {
                Some(cause)
            }
            Self::InvalidArgument(_)
            | Self::PreconditionFailed(_)
            | Self::Unauthenticated
            | Self::PermissionDenied(_)
            | Self::NamespaceNotFound
            | Self::WrongAbstraction(_)
            | Self::TokenExpired
            | Self::ResourceExhausted(_)
            | Self::DeadlineExceeded
            | Self::DeleteTooLarge
            | Self::Unimplemented(_) => None,
        }
    }

    /// Retry delay for clients, if a retry may help.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::ResourceExhausted(after) | Self::Unavailable { retry_after: after, .. } => Some(*after),
            Self::InvalidArgument(_)
            | Self::PreconditionFailed(_)
            | Self::Unauthenticated
            | Self::PermissionDenied(_)
            | Self::NamespaceNotFound
            | Self::WrongAbstraction(_)
            | Self::TokenExpired
            | Self::DeadlineExceeded
            | Self::DeleteTooLarge
            | Self::Unimplemented(_)
            | Self::DataLoss { .. }
            | Self::Internal(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidArgument(violations) => match violations.as_slice() {
                [] => f.write_str("the request is invalid"),
                [only] => write!(f, "{}: {}", only.field, only.description),
                [first, rest @ ..] => {
                    write!(f, "{}: {} (and {} more)", first.field, first.description, rest.len())
                }
            },
            Self::PreconditionFailed(failures) => {
                write!(f, "{} of the preconditions failed; nothing was written", failures.len())
            }
            Self::Unauthenticated => f.write_str("credentials are missing or unknown"),
            Self::PermissionDenied(permission) => {
                write!(f, "the caller lacks the permission '{permission}'")
            }
            Self::NamespaceNotFound => f.write_str("this server serves no such namespace"),
            Self::WrongAbstraction(holds) => {
                write!(f, "this namespace holds {holds} data; the call is one of another abstraction")
            }
            Self::TokenExpired => f.write_str(
                "the token cannot be continued: events after it have expired, or it is of another store; start again from \
                 the beginning, or from a Query's tail_token",
            ),
            Self::ResourceExhausted(_) => f.write_str("the server is shedding load; nothing was done"),
            Self::Unavailable { .. } => f.write_str("backend unavailable"),
            Self::DeadlineExceeded => f.write_str("the deadline passed before the operation completed"),
            Self::DeleteTooLarge => f.write_str(
                "the Delete covers more items than can be deleted within its time limit; nothing was deleted; delete them \
                 in several ranges",
            ),
            Self::Unimplemented(capability) => {
                write!(f, "this server does not declare {capability}; Describe lists its capabilities")
            }
            Self::DataLoss { item, .. } => write!(
                f,
                "the stored data of item {item} of this page is damaged; the other items can be read by key, or in \
                 the reverse order up to it"
            ),
            Self::Internal(_) => f.write_str("internal error; the server's log has the cause"),
        }
    }
}

impl std::error::Error for Error {}
