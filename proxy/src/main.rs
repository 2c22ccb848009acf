//! The binary `prism`.

use std::process::ExitCode;

/// A call is some fifty small allocations, and many of them are freed by another thread than made them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    prism_proxy::cli::main()
}
