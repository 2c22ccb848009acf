//! The client commands, run by the binary against a server that the binary runs too.
#![cfg(unix)]

mod broken;
mod commands;
mod exits;
mod full;
mod generated;
mod import;
mod interrupted;
mod listing;
mod secured;
mod support;
#[cfg(target_os = "linux")]
mod terminal;
mod timeseries;
