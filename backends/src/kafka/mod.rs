//! TimeSeries on Kafka, or any broker of its protocol: a topic for each namespace, and a record for each event. The settings
//! and what a policy needs are there without the feature `kafka`, so that every build can check a configuration.

mod check;
mod no_keyvalue;
mod options;
mod policy;
#[cfg(feature = "kafka")]
mod store;

pub use check::{MAX_NAME, MAX_PREFIX, check_build};
pub use no_keyvalue::NoKeyValue;
pub use options::{Compression, Mechanism, Options, Sasl, Tls};
pub use policy::{CAPABILITIES, check_policy};
#[cfg(feature = "kafka")]
pub use store::{Kafka, OpenError};
