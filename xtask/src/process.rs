//! Execution of other programs, with errors that name them.

use std::io;
use std::process::Command;

use crate::Result;

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
