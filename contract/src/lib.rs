//! The contract of every Prism backend, in types: the traits, the rules, and a reference backend.
//!
//! Types shared by all abstractions are at the root: [`Namespace`], [`Timestamp`], [`Error`], [`Lifecycle`] and the form of
//! the numbered rules. Each abstraction has a module. A backend author implements [`Lifecycle`] and
//! [`keyvalue::KeyValueBackend`]. [`keyvalue::Edge`] refuses every invalid request before the backend sees it, so the
//! backend's arguments are valid once built.
//!
//! Deliberately absent: SQL, gRPC, and any clock. Time is an argument of every request.

mod common;
mod forward;
pub mod keyvalue;

pub use self::common::{
    Cause, Checks, Code, Error, FieldViolation, Invalid, Level, Lifecycle, Namespace, PageSize,
    PreconditionFailure, Requirement, Scope, Swept, Timestamp,
};
