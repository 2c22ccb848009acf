//! The binary `prism`.

use std::process::ExitCode;

/// Chosen by measurement: a call is some fifty small allocations, which glibc's own takes half as long again for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    prism_proxy::cli::main()
}
