//! The TimeSeries suite against the contract's reference backend: in process, and with the feature `cli` also over gRPC.

use prism_contract::timeseries::Memory;

#[cfg(not(feature = "cli"))]
prism_conformance::timeseries_conformance!("memory" => || async { Ok(Memory::default()) });

#[cfg(feature = "cli")]
fn main() -> std::process::ExitCode {
    use prism_conformance::timeseries::InProcess;
    use prism_conformance::trial::Suite;
    use prism_conformance::wire::OverGrpc;

    let memory = || InProcess::new("memory", || async { Ok(Memory::default()) });
    let suite = Suite::of_test(env!("CARGO_PKG_NAME"), env!("CARGO_CRATE_NAME")).needing("cli");
    suite.with(memory()).with(OverGrpc::new(memory())).main()
}
