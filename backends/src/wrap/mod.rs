//! Backends around other backends. Each passes the suite that what it wraps passes.

// A wrapper that inherited a method would lose that of the backend it wraps.
#![deny(clippy::missing_trait_methods)]

mod route;

pub use self::route::Route;
