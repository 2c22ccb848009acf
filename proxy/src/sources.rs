//! Gathers what a configuration is made of: the file's text, the environment, the flags.

use std::path::PathBuf;

use crate::config::{Config, Flags, Sources, load};

/// The variable that names a configuration file where no flag does.
pub(crate) const CONFIG_VARIABLE: &str = "PRISM_CONFIG";

/// The configuration in effect, or everything that is wrong with it.
pub(crate) fn configuration(file: Option<PathBuf>, flags: Flags) -> Result<Config, String> {
    let file = match file {
        Some(path) => {
            let text = std::fs::read_to_string(&path)
                .map_err(|why| format!("the file '{}' cannot be read: {why}", path.display()))?;
            Some((path, text))
        }
        None => None,
    };
    // A variable that is not Unicode cannot be one of ours; a path in it that is not could not be shown either.
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let environment = std::env::vars_os().filter_map(text).collect();
    load(&Sources { file, environment, flags }).map_err(|problems| problems.to_string())
}
