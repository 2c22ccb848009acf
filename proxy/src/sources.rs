//! Collects the sources of a configuration: the file's text, the environment, the flags.

use std::path::{Path, PathBuf};

use crate::config::{Config, Flags, Sources, load, looks_like_url};

/// The variable that names the configuration file, if no flag does.
pub(crate) const CONFIG_VARIABLE: &str = "PRISM_CONFIG";

/// The effective configuration, or all its problems.
pub(crate) fn configuration(file: Option<PathBuf>, flags: Flags) -> Result<Config, String> {
    let file = match file {
        Some(path) => {
            let text = std::fs::read_to_string(&path)
                .map_err(|why| format!("{} cannot be read: {why}", display_name(&path)))?;
            Some((path, text))
        }
        None => None,
    };
    // A variable whose name is not Unicode is not ours; a path that is not Unicode could not be printed.
    let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let environment = std::env::vars_os().filter_map(unicode).collect();
    load(&Sources { file, environment, flags }).map_err(|problems| problems.to_string())
}

/// A configuration file's name for a message; a misplaced database address is masked.
fn display_name(path: &Path) -> String {
    let text = path.display().to_string();
    if looks_like_url(&text) || text.contains(char::is_control) {
        return "the configuration file, whose name looks like the address of a database,".to_owned();
    }
    format!("the file '{text}'")
}
