//! KeyValue over gRPC.

mod client;
mod convert;
mod scan;
mod server;
mod subject;

pub use self::client::Client;
pub use self::scan::Messages;
pub use self::server::Service;
pub use crate::resume::Resume;
