//! An answer, held against what is expected of it.

use std::fmt::Debug;
use std::ops::Deref;

use super::{Divergence, Failure, Proof, StatusCode, Stop};

/// An answer, and the step it came from.
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
    /// An answer at a step that was made elsewhere.
    pub(crate) const fn at(step: usize, value: T) -> Self {
        Self { step, value }
    }

    /// What `read` finds in the answer, at the same step.
    pub(crate) fn map<U>(self, read: impl FnOnce(T) -> U) -> Reply<U> {
        Reply { step: self.step, value: read(self.value) }
    }

    /// The answer itself.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// A divergence at this step, unless `holds`.
    pub fn expect(&self, holds: bool, expected: impl Into<String>, actual: impl Into<String>) -> Proof {
        if holds { Ok(()) } else { diverged(self.step, expected, actual) }
    }

    /// A divergence at this step, unless both are the same.
    pub fn same<A: PartialEq + Debug>(&self, what: &str, expected: &A, actual: &A) -> Proof {
        self.expect(expected == actual, format!("{what}: {expected:?}"), format!("{what}: {actual:?}"))
    }
}

/// A divergence at a step.
pub(crate) fn diverged<T>(
    step: usize,
    expected: impl Into<String>,
    actual: impl Into<String>,
) -> Result<T, Stop> {
    Err(Stop::Diverged(Divergence { step: Some(step), expected: expected.into(), actual: actual.into() }))
}

/// A failure in one line.
pub(crate) fn failure_text(failure: &Failure) -> String {
    format!("{} ({})", failure.code, failure.message)
}

/// `fails` of every call: the status must be exactly this one.
pub(crate) fn refused<T>(
    step: usize,
    answer: Result<T, Failure>,
    code: StatusCode,
) -> Result<Reply<Failure>, Stop> {
    match answer {
        Err(failure) if failure.code == code => Ok(Reply { step, value: failure }),
        Err(failure) => diverged(step, code.name(), failure_text(&failure)),
        Ok(_) => diverged(step, code.name(), "OK"),
    }
}

/// `ok` of every call.
pub(crate) fn answered<T>(step: usize, answer: Result<T, Failure>) -> Result<Reply<T>, Stop> {
    match answer {
        Ok(value) => Ok(Reply { step, value }),
        Err(failure) => diverged(step, "OK", failure_text(&failure)),
    }
}
