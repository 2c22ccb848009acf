//! Kafka: what only its backend has.

mod broker;
mod order;
mod outages;
mod restarts;
mod tails;
mod topics;
