//! The commands that run a case, or the whole run, again.

use super::{CaseReport, budget_name};
use crate::core::property::REGRESSION;
use crate::core::run::Settings;

/// The way to run a case again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    /// A test target of a crate.
    Cargo {
        /// The package.
        package: String,
        /// The test target.
        test: String,
        /// The features that the test requires; empty: none.
        features: String,
    },
    /// `prism-conformance`, as a shell command.
    Command {
        /// The program, as it was called.
        program: String,
        /// The arguments of the target.
        target: String,
        /// The arguments of the selection; empty: the whole suite.
        selection: String,
    },
}

impl Replay {
    /// The command for a case.
    pub fn of(&self, backend: &str, case: &str, settings: Settings) -> String {
        let (seed, budget) = (settings.seed, budget_name(settings.budget));
        match self {
            Self::Cargo { .. } => {
                format!("{} -- --exact conformance::{backend}::{case}", self.cargo(seed, budget))
            }
            Self::Command { program, target, .. } => {
                format!("{program} run {target} --only '{case}' --seed {seed} --budget {budget}")
            }
        }
    }

    /// The command for the whole run.
    pub fn whole(&self, backend: &str, settings: Settings) -> String {
        let (seed, budget) = (settings.seed, budget_name(settings.budget));
        match self {
            Self::Cargo { .. } => format!("{} conformance::{backend}::", self.cargo(seed, budget)),
            Self::Command { program, target, selection } => {
                let between = if selection.is_empty() { "" } else { " " };
                format!("{program} run {target}{between}{selection} --seed {seed} --budget {budget}")
            }
        }
    }

    /// The command that replays the shrunk operations of a random failure, if they were saved.
    pub fn shrunk(&self, case: &CaseReport) -> Option<String> {
        let Self::Command { program, target, .. } = self else { return None };
        let shrunk = case.attachments.iter().find(|document| document.name == REGRESSION)?;
        let path = quoted(&shrunk.path.as_ref()?.display().to_string());
        Some(format!("{program} replay {path} {target}"))
    }

    fn cargo(&self, seed: u64, budget: &str) -> String {
        let Self::Cargo { package, test, features } = self else { return String::new() };
        let features = if features.is_empty() { String::new() } else { format!(" --features {features}") };
        format!(
            "PRISM_CONFORMANCE_SEED={seed} PRISM_CONFORMANCE_BUDGET={budget} cargo test -p {package}{features} --test {test}"
        )
    }
}

/// A word quoted for a shell.
pub fn quoted(word: &str) -> String {
    let is_safe = |char: char| char.is_ascii_alphanumeric() || "-_./:@%+=,".contains(char);
    if !word.is_empty() && word.chars().all(is_safe) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_command_has_the_case_the_seed_and_the_budget() {
        let settings = Settings { seed: 7, ..Settings::default() };
        let mut cargo = Replay::Cargo {
            package: "mine".to_owned(),
            test: "conformance".to_owned(),
            features: String::new(),
        };
        assert_eq!(
            cargo.of("memory", "put::x", settings),
            "PRISM_CONFORMANCE_SEED=7 PRISM_CONFORMANCE_BUDGET=quick cargo test -p mine --test conformance -- --exact \
             conformance::memory::put::x"
        );
        if let Replay::Cargo { features, .. } = &mut cargo {
            "cli".clone_into(features);
        }
        assert_eq!(
            cargo.whole("memory", settings),
            "PRISM_CONFORMANCE_SEED=7 PRISM_CONFORMANCE_BUDGET=quick cargo test -p mine --features cli --test conformance \
             conformance::memory::"
        );
        let command = Replay::Command {
            program: "bin/prism-conformance".to_owned(),
            target: "--endpoint http://h:1".to_owned(),
            selection: "--only put".to_owned(),
        };
        assert_eq!(
            command.of("h", "put::x", settings),
            "bin/prism-conformance run --endpoint http://h:1 --only 'put::x' --seed 7 --budget quick"
        );
        assert_eq!(
            command.whole("h", settings),
            "bin/prism-conformance run --endpoint http://h:1 --only put --seed 7 --budget quick"
        );
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("http://h:1"), "http://h:1");
        assert_eq!(quoted("prism serve"), "'prism serve'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
