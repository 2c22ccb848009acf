//! KeyValue over gRPC.

mod client;
mod convert;
mod scan;
mod server;
mod subject;

pub use self::client::Client;
pub use self::scan::{Messages, Resume};
pub use self::server::Service;
