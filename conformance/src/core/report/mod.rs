//! What a run showed, in one value that every report is written from: text, JSON, JUnit, HTML and a badge.
//!
//! The shape of [`Report`] is the schema `prism-conformance/1`; `docs/report.schema.json` describes it.

mod assemble;
mod badge;
mod causes;
mod html;
mod junit;
mod replay;
mod rules;
mod text;
mod verdict;

use std::fs;
use std::path::{Path, PathBuf};

use prism_contract::Level;
use serde::Serialize;

use crate::core::run::Settings;
use crate::core::{Ability, Abstraction, Budget, Contract, Harness, Kind, Mode};

pub use assemble::case_report;
pub use badge::badge;
pub use html::html;
pub(in crate::core) use html::templates;
pub use junit::junit;
pub use replay::{Replay, quoted};
pub use rules::{RuleReport, RuleVerdict};
pub use text::{failure, summary};
pub use verdict::{Counts, Verdict};

pub(crate) use assemble::{omitted, report, utc_now};

/// The name and version of the JSON's shape. A field may be added within a version; none is renamed or removed.
pub const SCHEMA: &str = "prism-conformance/1";

/// A whole run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What the run amounts to.
    pub verdict: Verdict,
    /// The exit code that goes with it.
    pub exit_code: u8,
    /// The verdict in a sentence.
    pub sentence: String,
    /// How many cases came out how.
    pub counts: Counts,
    /// What was tested.
    pub target: Target,
    /// How it was tested.
    pub run: RunInfo,
    /// What fails the run besides cases, such as a known failure that names no case.
    pub problems: Vec<String>,
    /// Mistakes that show in the same way as all failures of the run together, likeliest first; empty unless several cases
    /// failed.
    pub likely_causes: Vec<String>,
    /// Every rule of the contract, in its order.
    pub requirements: Vec<RuleReport>,
    /// Every case of the suite, in its order.
    pub cases: Vec<CaseReport>,
}

impl Report {
    /// The report as JSON, in the shape [`SCHEMA`].
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("text and numbers are always JSON") + "\n"
    }
}

/// What was tested.
#[derive(Debug, Clone, Serialize)]
pub struct Target {
    /// The backend's name.
    pub name: String,
    /// `in process` or `over the wire`.
    pub mode: String,
    /// The claims, by the contract's names.
    pub claims: Vec<&'static str>,
    /// What the harness could do to it.
    pub abilities: Vec<&'static str>,
    /// More about it, such as its address and version.
    pub details: Vec<(String, String)>,
}

impl Target {
    /// What a harness says of itself.
    pub fn of<A: Abstraction>(harness: &dyn Harness<A>) -> Self {
        let abilities = Ability::ALL.into_iter().filter(|ability| harness.abilities().contains(*ability));
        Self {
            name: harness.name().to_owned(),
            mode: harness.mode().to_string(),
            claims: A::names(harness.claims()),
            abilities: abilities.map(Ability::name).collect(),
            details: Vec::new(),
        }
    }

    /// Whether it was reached by gRPC.
    pub fn is_on_the_wire(&self) -> bool {
        self.mode == Mode::Wire.to_string()
    }
}

/// How a run went about it.
#[derive(Debug, Clone, Serialize)]
pub struct RunInfo {
    /// `quick`, `ci` or `soak`.
    pub budget: &'static str,
    /// The seed of everything random.
    pub seed: u64,
    /// When it began, in UTC, as RFC 3339.
    pub started: String,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// What repeats the whole run.
    pub reproduce: String,
    /// The version of this suite.
    pub suite_version: &'static str,
    /// The version of the contract that it states.
    pub contract_version: &'static str,
    /// The contract itself.
    #[serde(skip)]
    pub contract: Contract,
}

impl RunInfo {
    /// What is known before a run.
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

/// How a case came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It failed as it is known to.
    KnownFailure,
    /// It is known to fail, and passed.
    UnexpectedPass,
    /// It showed nothing either way.
    Inconclusive,
    /// The harness failed, so it could not run to its end.
    Broken,
    /// It is not about this target: a claim that it does not make, or the opposite of one that it makes.
    NotApplicable,
    /// This harness lacks what it takes.
    NotObservable,
    /// The run left it out.
    LeftOut,
}

impl Outcome {
    /// In a word or two, for people.
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

    /// Whether it must not be so in a run that is to succeed.
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

/// One case.
#[derive(Debug, Clone, Serialize)]
pub struct CaseReport {
    /// Its id, such as `put::replaces_the_whole_item`.
    pub id: &'static str,
    /// The sentence of the contract.
    pub title: &'static str,
    /// The ids of the rules it proves.
    pub rules: &'static [&'static str],
    /// `must` or `should`.
    pub level: &'static str,
    /// `example`, `property`, `scenario` or `history`.
    pub kind: &'static str,
    /// How it came out.
    pub outcome: Outcome,
    /// Why it was skipped, is inconclusive, could not run, or is known to fail.
    pub reason: Option<String>,
    /// What the contract asks for at the first divergence.
    pub expected: Option<String>,
    /// What the store did there.
    pub actual: Option<String>,
    /// What was asked and answered, with an arrow at the first divergence; kept of failures, and of all with a trace.
    pub transcript: Option<String>,
    /// Mistakes that show in the same way, likeliest first.
    pub likely_causes: Vec<String>,
    /// The one line that runs this case alone, again, in the same way.
    pub replay: String,
    /// The one line that plays the operations to which a random failure was shrunk, and nothing else.
    pub replay_shrunk: Option<String>,
    /// Documents that the failing case made, such as the picture of a history.
    pub attachments: Vec<Attachment>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// A document that a failing case made.
#[derive(Debug, Clone, Serialize)]
pub struct Attachment {
    /// The name of its file.
    pub name: String,
    /// Where it was written; `None`: it was not.
    pub path: Option<PathBuf>,
    /// What it says.
    #[serde(skip)]
    pub content: String,
}

impl CaseReport {
    /// Writes its documents into `folder`, each under the case's name. What cannot be written stays in the report.
    pub(crate) fn save_attachments(&mut self, folder: &Path) {
        for attachment in &mut self.attachments {
            let path = folder.join(format!("{}-{}", self.id.replace("::", "-"), attachment.name));
            let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, &attachment.content));
            attachment.path = written.is_ok().then_some(path);
        }
    }

    /// The rules that the failure's own words name, such as `OK (ERR-1)`.
    pub(crate) fn rules_named(&self, contract: Contract) -> Vec<&'static str> {
        let words = self.expected.as_deref().unwrap_or_default();
        let words: Vec<_> = words.split(|char: char| !char.is_ascii_alphanumeric() && char != '-').collect();
        (contract.requirements)()
            .iter()
            .map(|rule| rule.id.as_str())
            .filter(|id| words.contains(id))
            .collect()
    }

    /// The rules that a failure tells in full, and the ids of the others that the case proves: all of them in full if they
    /// are no more than `few`, otherwise those that the failure names.
    pub(crate) fn rules_told(
        &self,
        few: usize,
        contract: Contract,
    ) -> (Vec<&'static str>, Vec<&'static str>) {
        if self.rules.len() <= few {
            return (self.rules.to_vec(), Vec::new());
        }
        let named = self.rules_named(contract);
        let others = self.rules.iter().copied().filter(|rule| !named.contains(rule)).collect();
        (named, others)
    }

    /// A failure in one line: what a known failure is recognised by.
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

/// A test's own report: so many cases, told by id and outcome.
#[cfg(test)]
mod fixture;

#[cfg(test)]
mod schema;
