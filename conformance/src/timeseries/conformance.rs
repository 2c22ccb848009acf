//! The TimeSeries suite as an integration test of a crate.

/// The one line of `tests/timeseries.rs`: a `main` that runs the whole TimeSeries suite on each harness. The test needs
/// `harness = false` in `Cargo.toml`. Names, arguments and environment variables are those of
/// [`conformance!`](crate::conformance).
///
/// ```
/// # mod tests {
/// use prism_contract::timeseries::Memory;
///
/// prism_conformance::timeseries_conformance!("mine" => || async { Ok(Memory::default()) });
/// # }
/// ```
#[macro_export]
macro_rules! timeseries_conformance {
    ($($rest:tt)+) => {
        fn main() -> ::std::process::ExitCode {
            let suite = $crate::trial::Suite::of_test(
                ::std::env!("CARGO_PKG_NAME"),
                ::std::env!("CARGO_CRATE_NAME"),
            );
            $crate::__conformance_with!(timeseries; suite; $($rest)+)
        }
    };
}
