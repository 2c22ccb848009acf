//! The abstraction-independent part of the suite: cases and their execution, harnesses and servers, transcripts, reports,
//! linearizability histories and their search, mutants and the kill matrix.
//!
//! Nothing here depends on a specific abstraction: differences are passed in as an [`Abstraction`]. A test checks the
//! imports of this folder.

mod abstraction;
mod call_log;
mod case;
mod clock;
mod conformance_macro;
mod context;
mod failure;
mod harness;
mod in_process;
pub mod known;
pub(crate) mod line;
pub mod linearizability;
pub mod mutation;
mod panic;
pub mod plan;
pub mod property;
mod raw;
pub(crate) mod raw_calls;
mod reply;
pub mod report;
pub mod run;
pub mod scenario;
mod show;
mod signature;
mod suite;
mod transcript;
pub mod trial;
#[cfg(feature = "cli")]
pub mod wire;

pub use abstraction::{Abstraction, Contract};
pub use call_log::CallMark;
pub use case::{Case, Kind, Need};
pub(crate) use case::{Proof, case};
pub use clock::ManualClock;
pub use context::{Ctx, Stop};
pub use failure::{Failure, StatusCode};
pub use harness::{Abilities, Ability, Budget, Harness, Instance, Mode, OpenError, Restart};
pub use in_process::{InProcess, Opener};
pub use raw::{RawCalls, RawMessages, RawRequest, RawResponse};
pub use reply::Reply;
pub(crate) use reply::{answered, diverged, failure_text, lacks, refused};
pub use show::{Show, Version};
pub(crate) use show::{both_bytes, line, span};
pub use signature::{Fingerprint, Signature};
pub(crate) use transcript::bytes;
pub use transcript::{Action, Divergence, Outcome, Step, Transcript};
