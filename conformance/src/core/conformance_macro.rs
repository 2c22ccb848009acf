//! The part of the abstractions' `conformance!` macros that they share.

/// Adds the harnesses of a suite one by one. The first argument is the abstraction's module.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_with {
    ($of:ident; $suite:expr; $name:literal => $open:expr $(, $($rest:tt)*)?) => {
        $crate::__conformance_with!($of; $suite.with($crate::$of::InProcess::new($name, $open)); $($($rest)*)?)
    };
    ($of:ident; $suite:expr; $harness:expr $(, $($rest:tt)*)?) => {
        $crate::__conformance_with!($of; $suite.with($harness); $($($rest)*)?)
    };
    ($of:ident; $suite:expr;) => {
        $suite.main()
    };
}
