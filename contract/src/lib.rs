//! The contract of every Prism backend, in types: the traits, the rules, and a reference backend.
//!
//! Types shared by all abstractions are at the root: [`Namespace`], [`Timestamp`], [`Error`], [`Lifecycle`] and the form of
//! the numbered rules. Each abstraction has a module. A backend author implements [`Lifecycle`] and
//! [`keyvalue::KeyValueBackend`] or [`timeseries::TimeSeriesBackend`]. [`keyvalue::Edge`] and [`timeseries::Edge`] refuse
//! every invalid request before the backend sees it, so the backend's arguments are valid once built.
//!
//! Deliberately absent: SQL, gRPC, and any clock. Time is an argument of every request.

mod common;
mod forward;
pub mod keyvalue;
pub mod timeseries;

pub use self::common::{
    Access, Cause, Checks, Code, Directory, DurationInput, Error, FieldViolation, Invalid, Level, Lifecycle,
    Namespace, PageSize, PreconditionFailure, Requirement, Scope, Served, Swept, TimeInput, Timestamp,
};
