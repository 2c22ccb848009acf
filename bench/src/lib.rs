//! Benchmarks for Prism: against other servers, under load, and at scale.
//!
//! - [`cli`]: the commands of the binary `prism-bench`.
//! - [`target`]: the servers under test, each a separate process started and stopped by the benchmark.
//! - [`client`]: one client for each, with minimal overhead.
//! - [`value`] and [`versions`]: the expected answers; every answer is verified during the measurement.
//! - [`records`]: the records of a target with their acknowledged state.
//! - [`drive`]: closed loop (fixed number in flight) and open loop (fixed rate).
//! - [`pgbench`]: Postgres' own load generator, for comparison.
//! - [`compare`]: the same operations on several targets, round by round.
//! - [`plot`]: plots of the results of `load`.
//! - [`scan`]: reads of a whole namespace, compared with the databases' own tools.
//! - [`scale`]: the cost of a request as data, records, values and connections grow.
//! - [`load`]: a mix of requests on one gateway.
//! - [`timeseries`]: appends, queries and tails of TimeSeries, beside its databases queried directly.

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
pub mod timeseries;
pub mod value;
pub mod versions;
