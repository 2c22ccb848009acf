//! The conformance suite: cases, properties, scenarios and histories that run against any backend or server.
//!
//! A backend author writes a [`Harness`] (a closure is enough for a simple backend) and one line in
//! `tests/conformance.rs`. Reading order: [`core`] runs any suite, records it and reports it; [`keyvalue`] and
//! [`timeseries`] are the suites of the abstractions.

pub mod core;
pub mod keyvalue;
pub mod timeseries;

pub use core::{
    Abilities, Ability, Abstraction, Action, Budget, Case, Ctx, Divergence, Failure, Fingerprint, Harness,
    InProcess, Instance, Kind, ManualClock, Mode, Need, OpenError, Outcome, RawCalls, RawMessages,
    RawRequest, RawResponse, Reply, Restart, Show, Signature, StatusCode, Step, Stop, Transcript, Version,
    known, linearizability, mutation, plan, property, report, run, trial,
};

#[cfg(feature = "cli")]
pub use core::wire;
