//! The client commands, run by the binary against a server that the binary runs too.
#![cfg(unix)]

mod broken;
mod commands;
mod full;
mod import;
mod interrupted;
mod secured;
mod support;
