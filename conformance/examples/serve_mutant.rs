//! Serves a mutant of the suite over gRPC, as an example of a failing run:
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
        let _ = writeln!(io::stderr(), "'{name}' is not a mutant. The mutants are:\n{}", names.join("\n"));
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

/// Advances the store's clock with real time, finely enough that two requests get different times.
fn follow_the_real_clock(clock: &ManualClock) {
    let (started, mut advanced) = (Instant::now(), Duration::ZERO);
    loop {
        let now = started.elapsed();
        clock.advance(now.saturating_sub(advanced));
        advanced = now;
        std::thread::sleep(Duration::from_micros(20));
    }
}
