//! Measures Prism: beside other servers, under load, and at scale.
//!
//! - [`cli`]: the commands of the binary `prism-bench`.
//! - [`target`]: the servers that are measured, each a process of its own that is started and stopped here.
//! - [`client`]: one client of each, as light as it can be made.
//! - [`value`] and [`versions`]: what an answer must be; every answer is checked while it is measured.
//! - [`records`]: the records of a target, and what is known of them.
//! - [`drive`]: so many requests at a time, or so many per second.
//! - [`pgbench`]: Postgres' own load generator, for comparison.
//! - [`compare`]: the same operations on several targets, round by round.
//! - [`plot`]: draws what `load` has measured.
//! - [`scan`]: reads a whole namespace, beside the databases' own tools.
//! - [`scale`]: what a request costs as data, records, values and connections grow.
//! - [`load`]: a mix of requests on one gateway.

pub mod arguments;
pub mod cli;
pub mod client;
pub mod compare;
pub mod cpu;
pub mod drive;
pub mod echo;
pub mod failure;
pub mod load;
pub mod machine;
pub mod pgbench;
pub mod plot;
pub mod process;
pub mod records;
pub mod scale;
pub mod scan;
pub mod stats;
pub mod tally;
pub mod target;
pub mod value;
pub mod versions;
