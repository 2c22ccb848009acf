//! Backends that wrap other backends. Each passes the same suite as the backends that it wraps.

// A wrapper that inherited a method would bypass the backend it wraps.
#![deny(clippy::missing_trait_methods)]

mod deferred;
#[cfg(feature = "encrypt")]
pub mod encrypt;
mod route;

pub use self::deferred::{Deferred, DeferredKeyValue, DeferredTimeSeries};
#[cfg(feature = "encrypt")]
pub use self::encrypt::Encrypt;
pub use self::route::Route;
