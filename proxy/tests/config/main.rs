//! The configuration: where it comes from, what wins, and what is said about mistakes.

mod documentation;
mod mistakes;
mod sources;
mod tokens;

use std::path::PathBuf;

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
