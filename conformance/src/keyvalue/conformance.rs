//! The suite of KeyValue as a test of a crate.

/// The one line of `tests/conformance.rs`: a `main` that holds each harness against the whole suite. The test needs
/// `harness = false` in its `Cargo.toml`.
///
/// A harness is an expression of a type that implements [`Harness`](crate::Harness); for a simple backend a name and a closure that opens
/// one are enough. Any number may stand side by side.
///
/// ```
/// # mod tests {
/// use prism_contract::keyvalue::Memory;
///
/// prism_conformance::conformance!("mine" => || async { Ok(Memory::default()) });
/// # }
/// ```
///
/// The trials are named `conformance::<backend>::<group>::<case>`. `PRISM_CONFORMANCE_BUDGET` (`quick`, `ci` or `soak`;
/// `ci` where `CI` is `true`, else `quick`) says how much random and concurrent work is done, and
/// `PRISM_CONFORMANCE_SEED` (a number; 1) seeds it. The suite never retries.
#[macro_export]
macro_rules! conformance {
    ($($rest:tt)+) => {
        fn main() -> ::std::process::ExitCode {
            let suite = $crate::trial::Suite::of_test(
                ::std::env!("CARGO_PKG_NAME"),
                ::std::env!("CARGO_CRATE_NAME"),
            );
            $crate::__conformance_with!(suite; $($rest)+)
        }
    };
}

/// Takes the harnesses of [`conformance!`] one by one.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_with {
    ($suite:expr; $name:literal => $open:expr $(, $($rest:tt)*)?) => {
        $crate::__conformance_with!($suite.with($crate::keyvalue::InProcess::new($name, $open)); $($($rest)*)?)
    };
    ($suite:expr; $harness:expr $(, $($rest:tt)*)?) => {
        $crate::__conformance_with!($suite.with($harness); $($($rest)*)?)
    };
    ($suite:expr;) => {
        $suite.main()
    };
}
