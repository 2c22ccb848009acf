//! Conversion between protobuf messages and the requests and responses of KeyValue.

mod request;
mod response;
