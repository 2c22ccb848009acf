//! Validation of command-line values, and options shared by several commands.

use std::path::PathBuf;

use serde::Serialize;

/// Locations of programs and data, as given on the command line.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct LocationOptions {
    /// The gateway to start; default: `prism` beside this program.
    #[arg(long, value_name = "PATH")]
    pub prism: Option<PathBuf>,
    /// A running Postgres, in which tables and databases are created; default: a temporary cluster from PostgreSQL's
    /// binaries.
    #[arg(long, value_name = "URL")]
    #[serde(skip)]
    pub postgres: Option<String>,
    /// Parent of the data folder; default: the temporary folder.
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
}

/// Output files in addition to the terminal.
#[derive(Debug, Clone, clap::Args)]
pub struct Output {
    /// Also write the results to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Also write the table to this file, as Markdown.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

/// Seconds, fractions included.
///
/// # Errors
/// The allowed values.
pub fn seconds(text: &str) -> Result<f64, String> {
    within(text, 0.0, 86_400.0, "write seconds from 0 to 86400, such as 3 or 0.5")
}

/// Requests per second.
///
/// # Errors
/// The allowed values.
pub fn rate(text: &str) -> Result<f64, String> {
    within(text, 0.1, 10_000_000.0, "write requests per second from 0.1 to 10000000")
}

/// A fraction.
///
/// # Errors
/// The allowed values.
pub fn share(text: &str) -> Result<f64, String> {
    within(text, 0.0, 1.0, "write a fraction from 0 to 1, such as 0.8")
}

/// Value sizes, validated but not parsed.
///
/// # Errors
/// The allowed values.
pub fn value_bytes(text: &str) -> Result<String, String> {
    crate::target::sizes(text).map(|_| text.to_owned())
}

/// The command-line name of an enum value.
pub fn value_name(choice: &impl clap::ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn within(text: &str, min: f64, max: f64, allowed: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(allowed.to_owned()),
    }
}
