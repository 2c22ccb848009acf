//! Measures Prism: beside other servers, under load, and at scale.
//!
//! - [`cli`]: the commands of the binary `prism-bench`.
//! - [`target`]: the servers that are measured, each a process of its own that is started and stopped here.
//! - [`client`]: one client of each, as light as it can be made.
//! - [`value`] and [`versions`]: what an answer must be; every answer is checked while it is measured.
//! - [`closed`]: keeps a fixed number of requests in flight.
//! - [`pgbench`]: Postgres' own load generator, for comparison.
//! - [`compare`]: the same operations on several targets, round by round.

pub mod cli;
pub mod client;
pub mod closed;
pub mod compare;
pub mod cpu;
pub mod echo;
pub mod failure;
pub mod machine;
pub mod pgbench;
pub mod process;
pub mod tally;
pub mod target;
pub mod value;
pub mod versions;
