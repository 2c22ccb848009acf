//! The KeyValue suite as an integration test of a crate.

/// The one line of `tests/conformance.rs`: a `main` that runs the whole suite on each harness. The test needs
/// `harness = false` in `Cargo.toml`.
///
/// A harness is an expression of a type that implements [`Harness`](crate::Harness); for a simple backend, a name and a
/// closure that opens it are enough. Any number of harnesses is allowed.
///
/// ```
/// # mod tests {
/// use prism_contract::keyvalue::Memory;
///
/// prism_conformance::conformance!("mine" => || async { Ok(Memory::default()) });
/// # }
/// ```
///
/// Trial names are `conformance::<backend>::<group>::<case>`. `PRISM_CONFORMANCE_BUDGET` (`quick`, `ci` or `soak`; default
/// `ci` if `CI` is `true`, else `quick`) sets the amount of random and concurrent work, and `PRISM_CONFORMANCE_SEED` (a
/// number; default 1) its seed. `PRISM_CONFORMANCE_HTML`, `_JSON`, `_JUNIT` and `_BADGE` name files for the report; with
/// several harnesses, their names are added. The suite never retries.
#[macro_export]
macro_rules! conformance {
    ($($rest:tt)+) => {
        fn main() -> ::std::process::ExitCode {
            let suite = $crate::trial::Suite::of_test(
                ::std::env!("CARGO_PKG_NAME"),
                ::std::env!("CARGO_CRATE_NAME"),
            );
            $crate::__conformance_with!(keyvalue; suite; $($rest)+)
        }
    };
}
