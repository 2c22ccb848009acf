//! The binary `prism`.

use std::process::ExitCode;

/// What one thread allocates and another frees costs the C library's allocator a lock that both want, and each row of SQLite's
/// is such.
#[cfg(all(feature = "jemalloc", not(windows)))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    prism_proxy::cli::main()
}
