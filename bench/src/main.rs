//! The binary `prism-bench`.

use std::process::ExitCode;

fn main() -> ExitCode {
    prism_bench::cli::main()
}
