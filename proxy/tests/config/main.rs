//! The configuration: its sources, their precedence, and the error messages.

mod callers;
mod documentation;
mod encryption;
mod kafka;
mod mistakes;
mod namespaces;
mod retries;
mod secrets;
mod sources;
mod tokens;

use std::path::{Path, PathBuf};

use prism_proxy::config::{Config, Flags, Problem, Sources, load};

pub(crate) fn sources(file: &str, environment: &[(&str, &str)]) -> Sources {
    Sources {
        file: Some((PathBuf::from("c.yaml"), file.to_owned())),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        flags: Flags::default(),
    }
}

pub(crate) fn of_file(file: &str) -> Result<Config, Vec<Problem>> {
    load(&sources(file, &[])).map_err(|problems| problems.0)
}

pub(crate) fn of_environment(environment: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
    load(&sources("", environment)).map_err(|problems| problems.0)
}

/// The example file, which lists every key.
pub(crate) fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/config/prism.yaml");
    std::fs::read_to_string(path).unwrap()
}

/// The paths of all keys and sections of a YAML document with one per line, except commented ones.
pub(crate) fn keys(yaml: &str) -> Vec<String> {
    let mut path: Vec<&str> = Vec::new();
    let mut keys = Vec::new();
    for line in yaml.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let Some((key, _)) = line.trim_start().split_once(':') else { continue };
        path.truncate((line.len() - line.trim_start().len()) / 2);
        path.push(key);
        keys.push(path.join("."));
    }
    keys
}

/// The paths of all keys that have a value.
pub(crate) fn paths() -> Vec<String> {
    let all = keys(&example());
    let is_section = |path: &String| all.iter().any(|other| other.starts_with(&format!("{path}.")));
    let paths: Vec<_> = all.iter().filter(|path| !is_section(path)).cloned().collect();
    assert!(paths.len() > 30, "{paths:?}");
    paths
}

/// The environment variable of a key.
pub(crate) fn variable(path: &str) -> String {
    format!("PRISM_{}", path.to_uppercase().replace('.', "_"))
}
