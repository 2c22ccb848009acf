//! The binary `prism`.

use std::process::ExitCode;

/// Memory allocated on one thread and freed on another contends for a lock in the C library's allocator, as every row of
/// SQLite's does.
#[cfg(all(feature = "jemalloc", not(windows)))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    prism_proxy::cli::main()
}
