//! Keeps a Postgres for as long as its standard input is open, and prints its address first:
//! `cargo run -p prism-testkit`.
//!
//! With `schema`, `database` or `private` behind it, it is a schema, a database or a server of its own. With `panic` at the
//! end, the process's only thread panics when the input ends. The crate's own tests kill it.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use prism_testkit::{Error, Postgres, Private};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let what = arguments.first().map_or("server", String::as_str);
    let panics = arguments.get(1).is_some_and(|argument| argument == "panic");
    if let Err(error) = run(what, panics).await {
        let _ = writeln!(std::io::stderr(), "{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn run(what: &str, panics: bool) -> Result<(), Error> {
    match what {
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
    // However the input ends, this is over.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    assert!(!panics, "as the arguments asked");
}
