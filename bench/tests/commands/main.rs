//! End-to-end tests of the binary, against the gateway and against faulty servers.
//!
//! This test executable is also the gateway when started like `prism` (`serve …`), because cargo gives a crate no path to
//! another crate's binary.

mod compare;
mod faulty;
mod load;
mod timeseries;

use std::process::{Command, ExitCode, Output};

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|command| command == "serve" || command == "--version") {
        return match std::env::var(faulty::VARIABLE) {
            Ok(fault) => faulty::serve(&fault),
            Err(_) => prism_proxy::cli::main(),
        };
    }
    let trials = [compare::trials(), load::trials(), timeseries::trials()].into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A test trial.
fn trial(name: &str, test: fn() -> Result<(), Failed>) -> Trial {
    Trial::test(name, test)
}

/// Runs `prism-bench` with this executable as the gateway, with an optional fault.
fn bench(arguments: &[&str], fault: Option<&str>) -> Result<Output, Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prism-bench"));
    command.args(arguments).arg("--prism").arg(std::env::current_exe()?);
    if let Some(fault) = fault {
        command.env(faulty::VARIABLE, fault);
    }
    Ok(command.output()?)
}

/// Fails with `message` unless `condition` holds.
fn ensure(condition: bool, message: impl FnOnce() -> String) -> Result<(), Failed> {
    if condition { Ok(()) } else { Err(message().into()) }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
