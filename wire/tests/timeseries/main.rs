//! TimeSeries over gRPC: conversions, the seven calls over a real connection, and Tails on a clock that the test moves.

mod client;
mod convert;
mod service;
mod support;
mod tail;
