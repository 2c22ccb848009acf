//! TimeSeries over gRPC.

mod client;
mod convert;
mod query;
mod server;
mod subject;
mod tail;

pub use self::client::Client;
pub use self::query::{ListSeriesMessages, QueryMessages};
pub use self::server::Service;
pub use self::tail::TailMessages;
pub use crate::resume::Resume;
