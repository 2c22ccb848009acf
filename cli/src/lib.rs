//! What the command lines of `prism` and `prism-conformance` share.
//!
//! - [`Generate`]: the commands `completions`, `man` and `reference`, made from a program's [`clap::Command`].
//! - [`after_help`]: the text after a command's options, with its examples.
//! - [`parse`]: parses a command line, and applies its choice of colour, to help and errors too.

mod after;
mod generate;
mod man;
mod parse;
mod reference;

pub use self::after::{after_help, examples};
pub use self::generate::{Generate, with_examples};
pub use self::parse::parse;
