//! The binary itself, as it is run: against the gateway, and against servers that lie.
//!
//! The gateway is this test's own executable: a crate is not given another crate's binary, and started as `prism` is
//! (`serve …`), this one is it.

mod compare;
mod liar;
mod load;

use std::process::{Command, ExitCode, Output};

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|command| command == "serve" || command == "--version") {
        return match std::env::var(liar::VARIABLE) {
            Ok(lie) => liar::serve(&lie),
            Err(_) => prism_proxy::cli::main(),
        };
    }
    let trials = [compare::trials(), load::trials()].into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A test.
fn trial(name: &str, test: fn() -> Result<(), Failed>) -> Trial {
    Trial::test(name, test)
}

/// Runs `prism-bench` with this executable as the gateway, which lies if it is told to.
fn bench(arguments: &[&str], lie: Option<&str>) -> Result<Output, Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prism-bench"));
    command.args(arguments).arg("--prism").arg(std::env::current_exe()?);
    if let Some(lie) = lie {
        command.env(liar::VARIABLE, lie);
    }
    Ok(command.output()?)
}

/// Fails with `what` unless it holds.
fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what().into()) }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
