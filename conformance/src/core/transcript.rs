//! What was asked and what was answered, kept as it was said, and where the two parted from the contract.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::{Abstraction, Failure, Restart};

/// Longest run of bytes that is shown whole.
const SHOWN: usize = 48;

/// Something done to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<A: Abstraction> {
    /// A request was sent.
    Call(A::Request),
    /// Time passed.
    Advance(Duration),
    /// What was dead was dropped.
    Sweep,
    /// The store was stopped and started.
    Restart(Restart),
    /// The database was taken away (`true`) or brought back.
    Outage(bool),
    /// A call below the methods of the abstraction, in words.
    Raw(String),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<A: Abstraction> {
    /// The request was answered.
    Answered(A::Response),
    /// The answer was a status.
    Failed(Failure),
    /// It was done; there is nothing to answer.
    Done,
}

impl<A: Abstraction> Outcome<A> {
    /// The response, if the request was answered with one.
    pub fn response(&self) -> Option<&A::Response> {
        match self {
            Self::Answered(response) => Some(response),
            Self::Failed(_) | Self::Done => None,
        }
    }
}

impl<A: Abstraction> From<Result<A::Response, Failure>> for Outcome<A> {
    fn from(answer: Result<A::Response, Failure>) -> Self {
        answer.map_or_else(Self::Failed, Self::Answered)
    }
}

/// One exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<A: Abstraction> {
    /// What was done.
    pub action: Action<A>,
    /// What came of it.
    pub outcome: Outcome<A>,
}

/// Where a store parted from the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The step, counted from 0; `None`: it lies in no single step.
    pub step: Option<usize>,
    /// What the contract asks for.
    pub expected: String,
    /// What the store did.
    pub actual: String,
}

/// The steps of one case, in the order in which they were answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript<A: Abstraction> {
    /// The steps.
    pub steps: Vec<Step<A>>,
    /// How the namespaces that were used are shown: `$ns` in place of a name made for one run.
    pub namespaces: BTreeMap<String, String>,
    /// What a random case has to say about itself: its seeds, and how often what happened.
    pub notes: Vec<String>,
}

impl<A: Abstraction> Default for Transcript<A> {
    fn default() -> Self {
        Self { steps: Vec::new(), namespaces: BTreeMap::new(), notes: Vec::new() }
    }
}

impl<A: Abstraction> Transcript<A> {
    /// The whole transcript as text that people read and golden files keep, with an arrow at the divergence if there is
    /// one.
    pub fn render(&self, divergence: Option<&Divergence>) -> String {
        let mut text = String::new();
        for (at, (step, lines)) in self.steps.iter().zip(A::lines(self)).enumerate() {
            let here = divergence.filter(|divergence| divergence.step == Some(at));
            let mark = if here.is_some() { "→ " } else { "" };
            let (asked, answer) = lines.unwrap_or_else(|| step.lines());
            let _ = writeln!(text, "{mark}{asked}");
            for line in answer {
                let _ = writeln!(text, "    {line}");
            }
            if let Some(here) = here {
                let _ = writeln!(text, "    ^ expected: {}", here.expected);
                let _ = writeln!(text, "    ^ actual:   {}", here.actual);
            }
        }
        text
    }
}

impl<A: Abstraction> Step<A> {
    /// The lines of a step that is no request.
    fn lines(&self) -> (String, Vec<String>) {
        let asked = match &self.action {
            Action::Call(request) => format!("{request:?}"),
            Action::Advance(by) => format!("advance {by:?}"),
            Action::Sweep => "sweep".to_owned(),
            Action::Restart(how) => format!("restart {how:?}").to_lowercase(),
            Action::Outage(true) => "outage begins".to_owned(),
            Action::Outage(false) => "outage ends".to_owned(),
            Action::Raw(words) => words.clone(),
        };
        let answer = match &self.outcome {
            Outcome::Answered(response) => vec![format!("{response:?}")],
            Outcome::Failed(failure) => vec![failure.code.to_string()],
            Outcome::Done => Vec::new(),
        };
        (asked, answer)
    }
}

/// Bytes as text: printable ASCII as it is, the rest as `\xNN`, long ones by their start and length.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    if bytes.len() <= SHOWN {
        return format!("\"{}\"", bytes.escape_ascii());
    }
    format!("\"{}\"… {} bytes", bytes[..SHOWN / 4].escape_ascii(), bytes.len())
}
