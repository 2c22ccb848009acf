//! TimeSeries on a SQLite file.

mod common;

#[path = "timeseries/bounds.rs"]
mod bounds;
#[path = "timeseries/differential.rs"]
mod differential;
#[path = "timeseries/durability.rs"]
mod durability;
#[path = "timeseries/events.rs"]
mod events;
#[path = "timeseries/expiry.rs"]
mod expiry;
#[path = "timeseries/groups.rs"]
mod groups;
#[path = "timeseries/idle.rs"]
mod idle;
#[path = "timeseries/partitions.rs"]
mod partitions;
