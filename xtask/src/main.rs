//! Tasks for contributors to Prism: code generation, generated documentation pages, and protobuf lints.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool prints to the console")]

mod clients;
mod codegen;
mod docs;
mod lint;
mod masking;
mod mutants;
mod process;
mod tree;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::clients::Language;

/// Errors are plain messages, for the person who runs the command.
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Tasks for contributors to Prism.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Generate Rust code and the descriptor set from proto/**/*.proto, and optionally clients
    ///
    /// Rust needs no other tool. A client in Python needs python3 with venv and pip, one in TypeScript node and npm.
    /// Their code goes to gen/, the generators to target/codegen/.
    Codegen {
        /// Write nothing; exit with 1 and list the files that are out of date with the .proto files
        #[arg(long, conflicts_with = "clients")]
        check: bool,
        /// Also generate and smoke-test these clients
        #[arg(long, value_enum, value_delimiter = ',')]
        clients: Vec<Language>,
    },
    /// Update the generated pages: docs/api-reference.md from the .proto files; docs/configuration.md and
    /// fixtures/config/prism.yaml from the settings table; docs/cli.md from the command lines; docs/conformance-matrix.md
    /// and the figures of docs/index.md from the suite's cases and mutants
    Docs {
        /// Write nothing; exit with 1 and list the files that are out of date
        #[arg(long)]
        check: bool,
    },
    /// Lint the .proto files with buf, and check for breaking changes
    Lint {
        /// The git commit, branch or tag that the .proto files must stay compatible with
        #[arg(long, value_name = "GIT_REF", default_value = "HEAD")]
        against: String,
    },
    /// Run the tests of the wrappers with each seeded fault of mutants/, of which each must make a test fail
    ///
    /// With PRISM_WRITE_MATRIX=1 it runs all tests of the wrappers with each fault, and records which fail in
    /// mutants/kill-matrix.json. Otherwise it runs the recorded ones.
    Mutants {
        /// Only the faults whose ids begin with this
        #[arg(value_name = "PREFIX", default_value = "")]
        prefix: String,
        /// Build the tests as `cargo test --workspace` does, after which nothing is built again
        #[arg(long)]
        workspace: bool,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result {
    match arguments.command {
        None => Ok(Arguments::command().print_help()?),
        Some(Command::Codegen { check: true, .. }) => codegen::check(),
        Some(Command::Codegen { check: false, clients }) => {
            codegen::write()?;
            clients.into_iter().try_for_each(clients::generate)
        }
        Some(Command::Docs { check: true }) => docs::check(),
        Some(Command::Docs { check: false }) => docs::write(),
        Some(Command::Lint { against }) => lint::run(&against),
        Some(Command::Mutants { prefix, workspace }) => mutants::run(&prefix, workspace),
    }
}
