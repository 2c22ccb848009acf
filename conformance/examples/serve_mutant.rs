//! Serves one of the suite's seeded bugs over gRPC, so that one can see what a failing run looks like:
//!
//! ```sh
//! cargo run -p prism-conformance --features cli --example serve_mutant -- GetShowsExpiredItems
//! ```

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prism_conformance::keyvalue::KeyValue;
use prism_conformance::keyvalue::mutants::{harness, mutant_by_name, mutants};
use prism_conformance::wire::Server;
use prism_conformance::{Instance, ManualClock};

#[tokio::main]
async fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some(mutant) = mutant_by_name(&name) else {
        let names: Vec<_> = mutants().map(|mutant| mutant.name).collect();
        let _ = writeln!(io::stderr(), "'{name}' is no mutant. There are:\n{}", names.join("\n"));
        return ExitCode::from(2);
    };
    let clock: Arc<ManualClock> = Arc::default();
    let instance = harness(mutant).open_at(Arc::clone(&clock));
    let server = match Server::start::<KeyValue>(instance.store()).await {
        Ok(server) => server,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            return ExitCode::FAILURE;
        }
    };
    let _ = writeln!(io::stdout(), "{name} listens on http://{}; Ctrl-C stops it", server.address());
    std::thread::spawn(move || follow_the_real_clock(&clock));
    let _ = tokio::signal::ctrl_c().await;
    ExitCode::SUCCESS
}

/// Moves the store's clock as real time passes, closely enough that two requests are not of one moment.
fn follow_the_real_clock(clock: &ManualClock) {
    let (started, mut told) = (Instant::now(), Duration::ZERO);
    loop {
        let now = started.elapsed();
        clock.advance(now.saturating_sub(told));
        told = now;
        std::thread::sleep(Duration::from_micros(20));
    }
}
