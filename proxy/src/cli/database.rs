//! The databases that an operator's command works on: the backends of the configuration, without a server.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use prism_backends::sqlite;

use crate::config::{Config, Database, DatabaseKind, Flags};
use crate::exit::ExitError;
use crate::sources::{CONFIG_VARIABLE, configuration};
use crate::terminal::{printable, stderr_width};

/// The arguments that choose a database.
#[derive(Debug, clap::Args)]
pub(super) struct DatabaseArgs {
    /// The configuration file, as for `prism serve`; without it, the environment and the defaults.
    #[arg(long, env = CONFIG_VARIABLE, hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file of the SQLite database.
    #[arg(long, value_name = "PATH")]
    database: Option<String>,
    /// The name of the backend, if the configuration has several.
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
}

/// A backend of the configuration.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    /// Its index in the catalog.
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) database: Database,
}

impl DatabaseArgs {
    pub(super) fn config(&self) -> Result<Config, ExitError> {
        let flags = Flags { listen: None, database: self.database.clone() };
        configuration(self.config.clone(), flags).map_err(ExitError::usage)
    }

    /// The named backend, or all of them.
    pub(super) fn all(&self, config: &Config) -> Result<Vec<Chosen>, ExitError> {
        let backends = config.all_backends();
        let names: Vec<_> = backends.keys().cloned().collect();
        let all = backends.into_iter().enumerate();
        let all = all.map(|(index, (name, backend))| Chosen { index, name, database: backend.database });
        let Some(wanted) = &self.backend else { return Ok(all.collect()) };
        let chosen: Vec<_> = all.filter(|chosen| chosen.name == *wanted).collect();
        if chosen.is_empty() {
            let message = format!("--backend: there is no backend '{wanted}'; there is {}", names.join(", "));
            return Err(ExitError::usage(message));
        }
        Ok(chosen)
    }

    /// The named backend or all of them, without those whose kind cannot be checked and swept, which are noted.
    pub(super) fn suitable(&self, config: &Config) -> Result<Vec<Chosen>, ExitError> {
        let all = self.all(config)?;
        let (suitable, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|chosen| chosen.unsuitable().is_none());
        let why = others.iter().filter_map(Chosen::unsuitable).collect::<Vec<_>>().join("; ");
        if suitable.is_empty() {
            return Err(ExitError::usage(why));
        }
        if !why.is_empty() {
            // A failure to print a note is ignored.
            let _ = writeln!(std::io::stderr(), "note: {}", printable(&why));
        }
        Ok(suitable)
    }

    /// The named backend, or the only one.
    pub(super) fn one(&self, config: &Config) -> Result<Chosen, ExitError> {
        let mut all = self.all(config)?;
        match (all.pop(), all.is_empty()) {
            (Some(chosen), true) => Ok(chosen),
            (last, _) => {
                let names: Vec<_> = all.into_iter().chain(last).map(|chosen| chosen.name).collect();
                let message =
                    format!("there are several backends; name one with --backend: {}", names.join(", "));
                Err(ExitError::usage(message))
            }
        }
    }
}

impl Chosen {
    /// Why its kind is beyond `prism check` and `prism gc`; `None`: it is not.
    pub(super) fn unsuitable(&self) -> Option<String> {
        match self.database.kind {
            DatabaseKind::Sqlite | DatabaseKind::Postgres => None,
            DatabaseKind::Memory => {
                Some(format!("the backend {} is in memory, and only its gateway has it", self.name))
            }
            DatabaseKind::Kafka => Some(format!(
                "the backend {} is on Kafka, whose brokers keep, check and expire its events by themselves",
                self.name
            )),
        }
    }
}

impl Chosen {
    /// Refuses a SQLite file that does not exist, which opening it as a store would create.
    pub(super) fn refuse_a_missing_file(&self) -> Result<(), ExitError> {
        let path = &self.database.path;
        if self.database.kind == DatabaseKind::Sqlite && matches!(path.try_exists(), Ok(false)) {
            let missing = sqlite::OpenError::NoFile { path: path.clone() };
            return Err(ExitError::usage(missing.to_string()));
        }
        Ok(())
    }
}

/// A spinner with a message and the time so far, drawn only if standard error is a terminal.
pub(super) struct Spinner(ProgressBar);

impl Spinner {
    pub(super) fn start(message: String) -> Self {
        // Also where the command ends early.
        let bar = ProgressBar::no_length().with_finish(ProgressFinish::AndClear);
        let style = ProgressStyle::with_template("{spinner} {elapsed}  {msg}");
        bar.set_style(style.expect("the template is well formed"));
        bar.set_message(message);
        if stderr_width().is_some() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self(bar)
    }

    pub(super) fn update(&self, message: String) {
        self.0.set_message(message);
    }

    /// Removes it from the terminal.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
