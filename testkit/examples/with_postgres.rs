//! Runs a command with a Postgres database of its own, found as the tests find theirs: its address is in DATABASE_URL.
//!
//!     cargo run -p prism-testkit --example with_postgres -- COMMAND [ARGUMENT]…
#![expect(clippy::print_stderr, reason = "a command-line tool speaks through its output")]

use std::process::{Command, ExitCode};

use prism_testkit::Postgres;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(why) => {
            eprintln!("with_postgres: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().ok_or("name a command to run with DATABASE_URL")?;
    let database = Postgres::shared().await?.database().await?;
    let status = Command::new(program).args(arguments).env("DATABASE_URL", database.url()).status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
