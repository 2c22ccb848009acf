//! What the command line's values must be, and the options that several commands have.

use std::path::PathBuf;

use serde::Serialize;

/// Where programs and data are, as far as it is said.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct At {
    /// The gateway to start; else `prism` beside this program.
    #[arg(long, value_name = "PATH")]
    pub prism: Option<PathBuf>,
    /// A Postgres that somebody runs, in which tables are written to and databases made; else a cluster is made out of
    /// PostgreSQL's programs.
    #[arg(long, value_name = "URL")]
    #[serde(skip)]
    pub postgres: Option<String>,
    /// Where to make the folder for data; else the temporary folder.
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
}

/// Where the figures go besides the terminal.
#[derive(Debug, Clone, clap::Args)]
pub struct Output {
    /// Also write the figures here, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Also write the table here, as Markdown.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

/// Seconds, also parts of one.
///
/// # Errors
/// Says what is allowed.
pub fn seconds(text: &str) -> Result<f64, String> {
    within(text, 0.0, 86_400.0, "write seconds from 0 to 86400, such as 3 or 0.5")
}

/// Requests per second.
///
/// # Errors
/// Says what is allowed.
pub fn rate(text: &str) -> Result<f64, String> {
    within(text, 0.1, 10_000_000.0, "write requests per second from 0.1 to 10000000")
}

/// A share.
///
/// # Errors
/// Says what is allowed.
pub fn share(text: &str) -> Result<f64, String> {
    within(text, 0.0, 1.0, "write a share from 0 to 1, such as 0.8")
}

/// Sizes of values, as they were written.
///
/// # Errors
/// Says what is allowed.
pub fn value_bytes(text: &str) -> Result<String, String> {
    crate::target::sizes(text).map(|_| text.to_owned())
}

/// A choice's name on the command line.
pub fn word(choice: &impl clap::ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn within(text: &str, least: f64, most: f64, allowed: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(allowed.to_owned()),
    }
}
