//! The client commands through the binary itself, against a server that is the binary too.
#![cfg(unix)]

mod broken;
mod commands;
mod full;
mod import;
mod interrupted;
mod secured;
mod support;
