//! Gathers what a configuration is made of: the file's text, the environment, the flags.

use std::path::{Path, PathBuf};

use crate::config::{Config, Flags, Sources, load, looks_like_an_address};

/// The variable that names a configuration file where no flag does.
pub(crate) const CONFIG_VARIABLE: &str = "PRISM_CONFIG";

/// The configuration in effect, or everything that is wrong with it.
pub(crate) fn configuration(file: Option<PathBuf>, flags: Flags) -> Result<Config, String> {
    let file = match file {
        Some(path) => {
            let text = std::fs::read_to_string(&path)
                .map_err(|why| format!("{} cannot be read: {why}", shown(&path)))?;
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

/// A configuration file as a message may name it: the address of a database may have been given in its place.
fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    if looks_like_an_address(&text) || text.contains(char::is_control) {
        return "the configuration file, whose name looks like the address of a database,".to_owned();
    }
    format!("the file '{text}'")
}
