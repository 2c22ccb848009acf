//! The proof: one suite of cases, properties, scenarios and histories that any backend or server can be held against.
//!
//! A backend author writes a [`Harness`] (a closure is enough for a simple backend) and one line in
//! `tests/conformance.rs`. Reading order: [`Store`] is what is tested, [`Case`] is one proof, [`Ctx`] is what a case
//! speaks through and what writes its transcript, [`cases::all`] is the table of contents, [`run`] runs it.

pub mod cases;

mod case;
mod clock;
mod context;
mod harness;
pub mod history;
mod in_process;
pub mod known;
pub mod model;
pub mod mutants;
pub mod op;
pub mod plan;
pub mod property;
mod raw;
mod render;
pub mod report;
pub mod run;
pub mod scenario;
mod status;
mod store;
mod suite;
mod transcript;
pub mod trial;
#[cfg(feature = "cli")]
pub mod wire;

pub use case::{Case, Kind, Need};
pub use clock::ManualClock;
pub use context::{Ctx, DeleteCall, GetCall, PutCall, Reply, ScanCall, Stop, item, items};
pub use harness::{Abilities, Ability, Budget, Harness, Instance, Mode, OpenError, Restart};
pub use in_process::{EdgeStore, InProcess};
pub use raw::{RawCalls, RawMessages, RawRequest, RawResponse};
pub use status::{Failure, StatusCode};
pub use store::Store;
pub use transcript::{Divergence, Outcome, Request, Step, Transcript};
