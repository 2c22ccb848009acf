//! Protobuf messages to the requests and answers of KeyValue, and back.

mod request;
mod response;
