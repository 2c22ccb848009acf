//! A reply and its comparison with the expected one.

use std::ops::Deref;

use super::{Divergence, Failure, Proof, Show, StatusCode, Stop};

/// A reply, and the step that it belongs to.
#[derive(Debug, Clone)]
pub struct Reply<T> {
    pub(crate) step: usize,
    pub(crate) value: T,
}

impl<T> Deref for Reply<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Reply<T> {
    /// The reply of a step that was recorded elsewhere.
    pub(crate) const fn at(step: usize, value: T) -> Self {
        Self { step, value }
    }

    /// The result of `read` on the value, at the same step.
    pub(crate) fn map<U>(self, read: impl FnOnce(T) -> U) -> Reply<U> {
        Reply { step: self.step, value: read(self.value) }
    }

    /// The value without its step.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// A divergence at this step, unless `holds`.
    pub fn expect(&self, holds: bool, expected: impl Into<String>, actual: impl Into<String>) -> Proof {
        if holds { Ok(()) } else { diverged(self.step, expected, actual) }
    }

    /// A divergence at this step, unless both are equal.
    pub fn same<A: PartialEq + Show>(&self, what: &str, expected: &A, actual: &A) -> Proof {
        compare(Some(self.step), what, expected, actual)
    }
}

impl Reply<Failure> {
    /// An ErrorInfo of the contract's domain with this reason.
    pub fn has_error_info(&self, reason: &str) -> Proof {
        let expected = format!("ErrorInfo with reason {reason} and domain prism");
        let actual = match (&self.reason, &self.domain) {
            (None, None) => lacks("google.rpc.ErrorInfo"),
            (actual, domain) => {
                if actual.as_deref() == Some(reason) && domain.as_deref() == Some("prism") {
                    return Ok(());
                }
                let word = |text: &Option<String>| text.as_deref().map_or("none".to_owned(), str::to_owned);
                format!("ErrorInfo with reason {} and domain {}", word(actual), word(domain))
            }
        };
        diverged(self.step, expected, actual)
    }

    /// Field violations, each of which names its field.
    pub fn names_fields(&self) -> Proof {
        let expected = "field violations that name their fields";
        if self.violations.is_empty() {
            return diverged(self.step, expected, lacks("google.rpc.BadRequest"));
        }
        let named = self.violations.iter().all(|violation| !violation.field.is_empty());
        let fields: Vec<_> = self.violations.iter().map(|violation| violation.field.show()).collect();
        self.expect(named, expected, format!("violations of {}", fields.join(", ")))
    }
}

/// The text for a detail that is missing.
pub(crate) fn lacks(detail: &str) -> String {
    format!("grpc-status-details-bin lacks {detail}")
}

/// A divergence, unless both are equal.
pub(crate) fn compare<A: PartialEq + Show>(
    step: Option<usize>,
    what: &str,
    expected: &A,
    actual: &A,
) -> Proof {
    if expected == actual {
        return Ok(());
    }
    let (expected, actual) = A::show_both(expected, actual);
    let (expected, actual) = (format!("{what}: {expected}"), format!("{what}: {actual}"));
    Err(Stop::Diverged(Divergence { step, expected, actual }))
}

/// A divergence at a step.
pub(crate) fn diverged<T>(
    step: usize,
    expected: impl Into<String>,
    actual: impl Into<String>,
) -> Result<T, Stop> {
    Err(Stop::Diverged(Divergence { step: Some(step), expected: expected.into(), actual: actual.into() }))
}

/// A failure as one line: its code and its message.
pub(crate) fn failure_text(failure: &Failure) -> String {
    let message = if failure.message.is_empty() { "no message" } else { &failure.message };
    format!("{} ({message})", failure.code)
}

/// `fails` of every call: the status must be exactly `code`.
pub(crate) fn refused<T>(
    step: usize,
    result: Result<T, Failure>,
    code: StatusCode,
) -> Result<Reply<Failure>, Stop> {
    match result {
        Err(failure) if failure.code == code => Ok(Reply { step, value: failure }),
        Err(failure) => diverged(step, code.name(), failure_text(&failure)),
        Ok(_) => diverged(step, code.name(), "OK"),
    }
}

/// `ok` of every call: the status must be OK.
pub(crate) fn answered<T>(step: usize, result: Result<T, Failure>) -> Result<Reply<T>, Stop> {
    match result {
        Ok(value) => Ok(Reply { step, value }),
        Err(failure) => diverged(step, "OK", failure_text(&failure)),
    }
}
