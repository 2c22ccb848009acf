//! Runs a command with a dedicated Postgres database, provided as for the tests, with its address in DATABASE_URL.
//!
//!     cargo run -p prism-testkit --example with_postgres -- COMMAND [ARGUMENT]…
#![expect(clippy::print_stderr, reason = "a command-line tool prints to the console")]

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
    let program = arguments.next().ok_or("no command; usage: with_postgres COMMAND [ARGUMENT]…")?;
    let database = Postgres::shared().await?.database().await?;
    let status = Command::new(program).args(arguments).env("DATABASE_URL", database.url()).status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
