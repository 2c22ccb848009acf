//! Conversion between protobuf messages and the requests and responses of TimeSeries.

mod request;
mod response;
