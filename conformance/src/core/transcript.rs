//! The transcript of a case: requests and responses verbatim, and the divergence from the contract.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::{Abstraction, CallMark, Failure, Restart, span};

/// Longest byte string that is shown in full.
const SHOWN: usize = 48;

/// An action on a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<A: Abstraction> {
    /// A request.
    Call(A::Request),
    /// An advance of the clock.
    Advance(Duration),
    /// A sweep of expired items and tombstones.
    Sweep,
    /// A restart of the store.
    Restart(Restart),
    /// The start (`true`) or the end of a database outage.
    Outage(bool),
    /// A description of a raw call, below the methods of the abstraction.
    Raw(String),
}

/// The outcome of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<A: Abstraction> {
    /// A response to the request.
    Answered(A::Response),
    /// A status other than OK.
    Failed(Failure),
    /// Success without a response.
    Done,
}

impl<A: Abstraction> Outcome<A> {
    /// The status OK or a failure.
    pub(crate) fn into_result(self) -> Result<(), Failure> {
        match self {
            Self::Answered(_) | Self::Done => Ok(()),
            Self::Failed(failure) => Err(failure),
        }
    }

    /// The response, if there is one.
    pub fn response(&self) -> Option<&A::Response> {
        match self {
            Self::Answered(response) => Some(response),
            Self::Failed(_) | Self::Done => None,
        }
    }
}

impl<A: Abstraction> From<Result<A::Response, Failure>> for Outcome<A> {
    fn from(result: Result<A::Response, Failure>) -> Self {
        result.map_or_else(Self::Failed, Self::Answered)
    }
}

/// One exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<A: Abstraction> {
    /// The action.
    pub action: Action<A>,
    /// The outcome.
    pub outcome: Outcome<A>,
}

/// A divergence of a store from the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The step, counted from 0; `None`: no single step.
    pub step: Option<usize>,
    /// The behaviour that the contract requires.
    pub expected: String,
    /// The observed behaviour.
    pub actual: String,
}

/// The steps of one case, in the order of their responses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript<A: Abstraction> {
    /// The steps.
    pub steps: Vec<Step<A>>,
    /// The display names of the namespaces: `$ns` in place of a per-run name.
    pub namespaces: BTreeMap<String, String>,
    /// Notes of a random case: its seeds, and counts of events.
    pub notes: Vec<String>,
    /// The calls of steps that the suite sent one by one.
    pub calls: BTreeMap<usize, CallMark>,
    /// What the server or the backend said itself about the divergence: lines of its log, and panics.
    pub beside: Vec<String>,
}

impl<A: Abstraction> Default for Transcript<A> {
    fn default() -> Self {
        Self {
            steps: Vec::new(),
            namespaces: BTreeMap::new(),
            notes: Vec::new(),
            calls: BTreeMap::new(),
            beside: Vec::new(),
        }
    }
}

impl<A: Abstraction> Transcript<A> {
    /// The whole transcript as text, for people and golden files, with an arrow at the divergence if there is one.
    pub fn render(&self, divergence: Option<&Divergence>) -> String {
        let mut text = String::new();
        for (at, (step, lines)) in self.steps.iter().zip(A::lines(self)).enumerate() {
            let here = divergence.filter(|divergence| divergence.step == Some(at));
            let mark = if here.is_some() { "→ " } else { "" };
            let (request, outcome) = lines.unwrap_or_else(|| step.lines());
            let _ = writeln!(text, "{mark}{request}");
            for line in outcome {
                let _ = writeln!(text, "    {line}");
            }
            if let Some(here) = here {
                let _ = writeln!(text, "    ^ expected: {}", here.expected);
                let _ = writeln!(text, "    ^ actual:   {}", here.actual);
                for line in &self.beside {
                    let _ = writeln!(text, "    | {line}");
                }
            }
        }
        text
    }
}

impl<A: Abstraction> Step<A> {
    /// The lines of a step that is not a request. The abstraction has the lines of requests.
    fn lines(&self) -> (String, Vec<String>) {
        let action = match &self.action {
            Action::Call(_) => "a request".to_owned(),
            Action::Advance(by) => format!("advance {}", span(*by)),
            Action::Sweep => "sweep".to_owned(),
            Action::Restart(how) => format!("restart {how}"),
            Action::Outage(true) => "outage begins".to_owned(),
            Action::Outage(false) => "outage ends".to_owned(),
            Action::Raw(call) => call.clone(),
        };
        let outcome = match &self.outcome {
            Outcome::Answered(_) => vec!["a response".to_owned()],
            Outcome::Failed(failure) => {
                [failure.code.to_string()].into_iter().chain(failure.cause_lines()).collect()
            }
            Outcome::Done => Vec::new(),
        };
        (action, outcome)
    }
}

/// Bytes as text: printable ASCII verbatim, the rest as `\xNN`, long strings by their start and length.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    if bytes.len() <= SHOWN {
        return format!("\"{}\"", bytes.escape_ascii());
    }
    format!("\"{}\"… {} bytes", bytes[..SHOWN / 4].escape_ascii(), bytes.len())
}
