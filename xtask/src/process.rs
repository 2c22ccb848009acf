//! Execution of other programs, with errors that name them.

use std::io;
use std::process::Command;

use crate::{Result, tree};

/// A command of cargo in the workspace, without the variables that cargo sets for the program it runs: the build script of
/// `ring` depends on some of them, so that ring and all that depends on it would be built again.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(tree::root());
    for (name, _) in std::env::vars_os() {
        let set_by_cargo = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_"];
        if name.to_str().is_some_and(|name| set_by_cargo.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs `command` with inherited output; fails if it cannot start or does not succeed. `hint` explains the installation.
pub(crate) fn run(command: &mut Command, hint: &str) -> Result {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program} failed ({status})").into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("{program} is not installed. {hint}").into())
        }
        Err(error) => Err(format!("{program} did not start: {error}").into()),
    }
}
