//! Backends that wrap other backends. Each passes the same suite as the backends that it wraps.

// A wrapper that inherited a method would bypass the backend it wraps.
#![deny(clippy::missing_trait_methods)]

#[cfg(feature = "encrypt")]
pub mod encrypt;
mod route;

#[cfg(feature = "encrypt")]
pub use self::encrypt::Encrypt;
pub use self::route::Route;
