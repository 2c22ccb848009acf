//! Gathers what a configuration is made of: the file's text, the environment, the flags.

use std::path::PathBuf;

use super::Failure;
use crate::config::{Config, Flags, Sources, load};

/// The configuration in effect.
pub(super) fn configuration(file: Option<PathBuf>, flags: Flags) -> Result<Config, Failure> {
    let file = match file {
        Some(path) => {
            let text = std::fs::read_to_string(&path).map_err(|why| {
                Failure::Usage(format!("the file '{}' cannot be read: {why}", path.display()))
            })?;
            Some((path, text))
        }
        None => None,
    };
    // A variable that is not Unicode cannot be one of ours; a path in it that is not could not be shown either.
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let environment = std::env::vars_os().filter_map(text).collect();
    load(&Sources { file, environment, flags }).map_err(|problems| Failure::Usage(problems.to_string()))
}
