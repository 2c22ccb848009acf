//! The report of a run, and its formats: text, JSON, JUnit, HTML and a badge.
//!
//! The JSON format of [`Report`] is the schema `prism-conformance/1`, described by `docs/report.schema.json`.

mod assemble;
mod badge;
mod causes;
mod files;
mod folder;
mod groups;
mod html;
mod junit;
mod layout;
mod replay;
mod rules;
mod text;
mod verdict;

use std::fs;
use std::path::{Path, PathBuf};

use prism_contract::Level;
use serde::Serialize;

use crate::core::linearizability::CASE as PAGE_OF_CASE;
use crate::core::run::Settings;
use crate::core::{Ability, Abstraction, Budget, Contract, Harness, Kind, Mode, Signature};

pub use assemble::case_report;
pub use badge::badge;
pub use files::Files;
pub use folder::failures_folder;
pub use groups::FailureGroup;
use html::escape;
pub use html::html;
pub(in crate::core) use html::templates;
pub use junit::junit;
pub use layout::Layout;
pub use replay::{Replay, quoted};
pub use rules::{RuleReport, RuleVerdict};
pub use text::{failure, summary, summary_in};
pub use verdict::{Counts, RunVerdict};

pub(crate) use assemble::{not_run, omitted, report, utc_now};

/// The name and version of the JSON schema. Within a version fields may be added, but not renamed or removed.
pub const SCHEMA: &str = "prism-conformance/1";

/// The report of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The verdict of the run.
    pub verdict: RunVerdict,
    /// The exit code of the verdict.
    pub exit_code: u8,
    /// The verdict as a sentence.
    pub sentence: String,
    /// The number of cases per outcome.
    pub counts: Counts,
    /// The tested target.
    pub target: Target,
    /// The settings and times of the run.
    pub run: RunInfo,
    /// Problems that fail the run besides cases, such as a known failure that matches no case.
    pub problems: Vec<String>,
    /// Seeded bugs that explain the failures of the run, likeliest first.
    pub likely_causes: Vec<String>,
    /// The failures, grouped by what they have in common; those to be mended first come first.
    pub groups: Vec<FailureGroup>,
    /// The folder that holds all failures as text, and the documents that failing cases attach; `None`: nothing was saved.
    #[serde(skip)]
    pub failures: Option<PathBuf>,
    /// All rules of the contract, in its order.
    pub requirements: Vec<RuleReport>,
    /// All cases of the suite, in its order.
    pub cases: Vec<CaseReport>,
}

impl Report {
    /// The report of a case.
    pub(crate) fn case(&self, id: &str) -> Option<&CaseReport> {
        self.cases.iter().find(|case| case.id == id)
    }

    /// The report as JSON, in the schema [`SCHEMA`].
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("text and numbers are always JSON") + "\n"
    }
}

/// The tested target.
#[derive(Debug, Clone, Serialize)]
pub struct Target {
    /// The backend's name.
    pub name: String,
    /// `in process` or `over the wire`.
    pub mode: String,
    /// The declared capabilities, by the contract's names.
    pub claims: Vec<&'static str>,
    /// The abilities of the harness.
    pub abilities: Vec<&'static str>,
    /// Additional details, such as the address and the version.
    pub details: Vec<(String, String)>,
}

impl Target {
    /// The target of a harness.
    pub fn of<A: Abstraction>(harness: &dyn Harness<A>) -> Self {
        let abilities = Ability::ALL.into_iter().filter(|ability| harness.abilities().contains(*ability));
        Self {
            name: harness.name().to_owned(),
            mode: harness.mode().to_string(),
            claims: A::names(harness.capabilities()),
            abilities: abilities.map(Ability::name).collect(),
            details: Vec::new(),
        }
    }

    /// Whether the run could restart it, and so observe its durability.
    pub fn can_restart(&self) -> bool {
        self.abilities.contains(&Ability::Restart.name())
    }

    /// Whether it was reached over gRPC.
    pub fn is_on_the_wire(&self) -> bool {
        self.mode == Mode::Wire.to_string()
    }
}

/// The settings and times of a run.
#[derive(Debug, Clone, Serialize)]
pub struct RunInfo {
    /// `quick`, `ci` or `soak`.
    pub budget: &'static str,
    /// The random seed.
    pub seed: u64,
    /// The start time in UTC, as RFC 3339.
    pub started: String,
    /// The duration in milliseconds.
    pub elapsed_ms: u64,
    /// The command that repeats the whole run.
    pub reproduce: String,
    /// The version of this suite.
    pub suite_version: &'static str,
    /// The version of the contract.
    pub contract_version: &'static str,
    /// The contract itself.
    #[serde(skip)]
    pub contract: Contract,
}

impl RunInfo {
    /// The info before the run, without the duration.
    pub fn before(contract: Contract, settings: Settings, started: String, reproduce: String) -> Self {
        Self {
            budget: budget_name(settings.budget),
            seed: settings.seed,
            started,
            elapsed_ms: 0,
            reproduce,
            suite_version: env!("CARGO_PKG_VERSION"),
            contract_version: contract.version,
            contract,
        }
    }
}

/// The outcome of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseOutcome {
    /// Passed.
    Passed,
    /// Failed.
    Failed,
    /// Failed, with the expected known failure.
    KnownFailure,
    /// Listed as a known failure, but passed.
    UnexpectedPass,
    /// Ran without a result either way.
    Inconclusive,
    /// Not completed, because the harness failed.
    Broken,
    /// Not about this target: it needs an undeclared capability, or the lack of a declared one.
    NotApplicable,
    /// Not possible with this harness.
    NotObservable,
    /// Left out by the selection of the run.
    LeftOut,
}

impl CaseOutcome {
    /// The display name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::KnownFailure => "known failure",
            Self::UnexpectedPass => "unexpected pass",
            Self::Inconclusive => "inconclusive",
            Self::Broken => "could not run",
            Self::NotApplicable => "not applicable",
            Self::NotObservable => "not observable",
            Self::LeftOut => "left out",
        }
    }

    /// Whether the case did not run.
    pub const fn is_skipped(self) -> bool {
        match self {
            Self::NotApplicable | Self::NotObservable | Self::LeftOut => true,
            Self::Passed
            | Self::Failed
            | Self::KnownFailure
            | Self::UnexpectedPass
            | Self::Inconclusive
            | Self::Broken => false,
        }
    }

    /// Whether it fails the run.
    pub const fn is_fault(self) -> bool {
        match self {
            Self::Failed | Self::UnexpectedPass | Self::Broken => true,
            Self::Passed
            | Self::KnownFailure
            | Self::Inconclusive
            | Self::NotApplicable
            | Self::NotObservable
            | Self::LeftOut => false,
        }
    }
}

/// The report of one case.
#[derive(Debug, Clone, Serialize)]
pub struct CaseReport {
    /// The id, such as `put::replaces_the_whole_item`.
    pub id: &'static str,
    /// The sentence of the contract.
    pub title: &'static str,
    /// The ids of the proved rules.
    pub rules: &'static [&'static str],
    /// `must` or `should`.
    pub level: &'static str,
    /// `example`, `property`, `scenario` or `history`.
    pub kind: &'static str,
    /// The outcome.
    pub outcome: CaseOutcome,
    /// The reason why it was skipped, is inconclusive, could not run, or is known to fail.
    pub reason: Option<String>,
    /// The behaviour required by the contract at the first divergence.
    pub expected: Option<String>,
    /// The observed behaviour there.
    pub actual: Option<String>,
    /// Requests and responses, with an arrow at the first divergence; kept for failures, with a trace for all cases.
    pub transcript: Option<String>,
    /// Seeded bugs with similar failures, likeliest first.
    pub likely_causes: Vec<String>,
    /// Where and how it failed, without the values of this run.
    #[serde(skip)]
    pub signature: Option<Signature>,
    /// The rules that the seeded bug breaks which explains this failure, if a failed case is about one of them.
    #[serde(skip)]
    pub broken: Option<&'static [&'static str]>,
    /// The command that runs this case alone, with the same settings.
    pub replay: String,
    /// The command that replays only the shrunk operations of a random failure.
    pub replay_shrunk: Option<String>,
    /// Documents attached by the failing case, such as the page of a history.
    pub attachments: Vec<Attachment>,
    /// The duration in milliseconds.
    pub elapsed_ms: u64,
}

/// A document attached by a failing case.
#[derive(Debug, Clone, Serialize)]
pub struct Attachment {
    /// The file name.
    pub name: String,
    /// The path of the written file; `None`: not written.
    pub path: Option<PathBuf>,
    /// The content.
    #[serde(skip)]
    pub content: String,
}

impl CaseReport {
    /// Names the case, its rules, the target and the seed on attached pages, which may be read apart from the report.
    pub(crate) fn label_attachments(&mut self, target: &str, seed: u64) {
        let label = format!(
            "<p class=\"soft\">Case <code>{}</code> · about {} · target {} · seed {seed}</p>\n",
            escape(self.id),
            escape(&self.rules.join(", ")),
            escape(target)
        );
        for attachment in &mut self.attachments {
            attachment.content = attachment.content.replacen(PAGE_OF_CASE, &label, 1);
        }
    }

    /// Writes the attachments to `folder`, prefixed with the case's name. A failed write leaves the path empty.
    pub(crate) fn save_attachments(&mut self, folder: &Path) {
        for attachment in &mut self.attachments {
            let path = folder.join(format!("{}-{}", self.id.replace("::", "-"), attachment.name));
            let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, &attachment.content));
            attachment.path = written.is_ok().then_some(path);
        }
    }

    /// The rules named in the failure's expected text, such as `OK (ERR-1)`.
    pub(crate) fn rules_named(&self, contract: Contract) -> Vec<&'static str> {
        let expected = self.expected.as_deref().unwrap_or_default();
        let words: Vec<_> =
            expected.split(|char: char| !char.is_ascii_alphanumeric() && char != '-').collect();
        (contract.requirements)()
            .iter()
            .map(|rule| rule.id.as_str())
            .filter(|id| words.contains(id))
            .collect()
    }

    /// The rules that the failure is about: those that the seeded bug breaks which explains it, otherwise those that it names;
    /// without any, all rules of an example. A property, scenario or history that stopped early has not tested its other rules.
    pub(crate) fn blamed_rules(&self, contract: Contract) -> Vec<&'static str> {
        if let Some(broken) = self.broken {
            return self.rules.iter().copied().filter(|rule| broken.contains(rule)).collect();
        }
        let named = self.rules_named(contract);
        let is_example = self.kind == kind_name(Kind::Example);
        if named.is_empty() && is_example { self.rules.to_vec() } else { named }
    }

    /// The rules to show in full, and the ids of the case's other rules: all in full if there are at most `most`, otherwise
    /// those that the failure names.
    pub(crate) fn split_rules(
        &self,
        most: usize,
        contract: Contract,
    ) -> (Vec<&'static str>, Vec<&'static str>) {
        if self.rules.len() <= most {
            return (self.rules.to_vec(), Vec::new());
        }
        let named = self.rules_named(contract);
        let others = self.rules.iter().copied().filter(|rule| !named.contains(rule)).collect();
        (named, others)
    }

    /// The failure as one line, which known failures are matched against.
    pub fn message(&self) -> String {
        match (&self.expected, &self.actual) {
            (Some(expected), Some(actual)) => format!("expected {expected}; actual {actual}"),
            (Some(_), None) | (None, _) => self.reason.clone().unwrap_or_default(),
        }
    }
}

pub(crate) const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Must => "must",
        Level::Should => "should",
    }
}

pub(crate) const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Example => "example",
        Kind::Property => "property",
        Kind::Scenario => "scenario",
        Kind::History => "history",
    }
}

/// `quick`, `ci` or `soak`.
pub const fn budget_name(budget: Budget) -> &'static str {
    match budget {
        Budget::Quick => "quick",
        Budget::Ci => "ci",
        Budget::Soak => "soak",
    }
}

/// `1 case`, `2 cases`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// A report for tests.
#[cfg(test)]
mod fixture;
#[cfg(test)]
pub(in crate::core) use fixture::cases as fixture_cases;

#[cfg(test)]
mod schema;
