//! Validation errors of a request: all violations are collected, not only the first.

use std::fmt;

use super::{Error, FieldViolation};

/// The fault of a value, and what is allowed. Never repeats a value's or a key's bytes (ERR-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(String);

impl Invalid {
    /// `why` states the fault and what is allowed.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    /// A length outside `min..=max` bytes.
    pub(crate) fn length(len: usize, min: usize, max: usize) -> Self {
        Self(format!("is {len} bytes; {min} to {max} are allowed"))
    }

    /// The message.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

/// Maximum violations listed in one answer: they travel in HTTP/2 headers, whose size clients limit.
const LISTED: usize = 20;

/// The violations found in a request so far. All are collected, so that one answer shows all (ERR-2).
#[derive(Debug, Default)]
pub struct Checks {
    violations: Vec<FieldViolation>,
    unlisted: usize,
}

impl Checks {
    /// The value; or `None`, and a violation of `field` is recorded.
    pub fn at<T>(&mut self, field: impl fmt::Display, checked: Result<T, Invalid>) -> Option<T> {
        checked.map_err(|why| self.refuse(field, why.into_string())).ok()
    }

    /// Records a violation of `field`: the fault of its value, and what is allowed.
    pub fn refuse(&mut self, field: impl fmt::Display, description: impl Into<String>) {
        if self.violations.len() < LISTED {
            let (field, description) = (field.to_string(), description.into());
            self.violations.push(FieldViolation { field, description });
        } else {
            self.unlisted += 1;
        }
    }

    /// An error with the first 20 violations and the number of the others, if there are any.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn finish(mut self) -> Result<(), Error> {
        if self.unlisted > 0 {
            self.violations.push(FieldViolation::unlisted(self.unlisted));
        }
        if self.violations.is_empty() { Ok(()) } else { Err(Error::InvalidArgument(self.violations)) }
    }

    /// The checked value, or an error with all violations.
    pub(crate) fn finish_with<T>(self, checked: Option<T>) -> Result<T, Error> {
        self.finish()?;
        checked.ok_or_else(|| Error::internal("a check failed without a violation"))
    }
}

/// Text of `min..=max` bytes without NUL.
pub(crate) fn checked_text(text: &str, min: usize, max: usize) -> Result<&str, Invalid> {
    if !(min..=max).contains(&text.len()) {
        return Err(Invalid::length(text.len(), min, max));
    }
    if text.contains('\0') {
        return Err(Invalid::new("holds a NUL character; UTF-8 without NUL is allowed"));
    }
    Ok(text)
}
