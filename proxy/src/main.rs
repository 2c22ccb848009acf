//! The binary `prism`.

use std::process::ExitCode;

fn main() -> ExitCode {
    prism_proxy::cli::main()
}
