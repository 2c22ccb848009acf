//! Prints the address of a Postgres and keeps the server while its standard input is open:
//! `cargo run -p prism-testkit`.
//!
//! The argument `schema`, `database` or `private` selects a dedicated schema, database or server. With `panic` as the last
//! argument, the only thread panics at the end of the input. The crate's tests kill this process.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use prism_testkit::{Error, Postgres, Private};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let kind = arguments.first().map_or("server", String::as_str);
    let panics = arguments.get(1).is_some_and(|argument| argument == "panic");
    if let Err(error) = run(kind, panics).await {
        let _ = writeln!(std::io::stderr(), "{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn run(kind: &str, panics: bool) -> Result<(), Error> {
    match kind {
        "private" => {
            let server = Private::launch().await?;
            hold(server.url(), panics);
        }
        "schema" => {
            let schema = Postgres::shared().await?.schema().await?;
            hold(schema.url(), panics);
        }
        "database" => {
            let database = Postgres::shared().await?.database().await?;
            hold(database.url(), panics);
        }
        _ => hold(Postgres::shared().await?.url(), panics),
    }
    Ok(())
}

fn hold(url: &str, panics: bool) {
    let _ = writeln!(std::io::stdout(), "{url}");
    // Any end of the input ends the process, also an error.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    assert!(!panics, "requested by the argument");
}
