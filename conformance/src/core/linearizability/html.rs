//! A history as an HTML page: a lane per client, time downwards, and the first violation.

use std::collections::BTreeMap;
use std::fmt::Write;

use minijinja::{Value, context};

use super::{History, HistoryVerdict, Linearizable, Operation, Violation, explain};
use crate::core::bytes;
use crate::core::report::templates;

/// The place of the case on a page.
pub(in crate::core) const CASE: &str = "<!-- case -->";

/// Renders `history`; for a violation, the prefix that shows it. The page is self-contained and has no script.
pub fn html<A: Linearizable>(history: &History<A>, verdict: &HistoryVerdict<A>) -> String {
    let (history, violation) = match verdict {
        HistoryVerdict::Linearizable | HistoryVerdict::Inconclusive(_) => (history, None),
        HistoryVerdict::Violation(violation) => (&violation.history, Some(&**violation)),
    };
    let (title, why) = match verdict {
        HistoryVerdict::Linearizable => {
            let why = "Every answer is explained by some order of the operations.";
            ("This history is linearizable", why)
        }
        HistoryVerdict::Inconclusive(why) => ("The check is inconclusive", why.as_str()),
        HistoryVerdict::Violation(violation) if violation.order.is_empty() => {
            ("This answer violates the contract", "")
        }
        HistoryVerdict::Violation(_) => ("This history is not linearizable", ""),
    };
    let drawing = Drawing::new(history, violation);
    let object = history.operations.first().and_then(Operation::object).map_or("", |(_, id)| id);
    let page = templates().get_template("history").expect("the history page is a template");
    let page = page.render(context! {
        title,
        case => Value::from_safe_string(CASE.to_owned()),
        why,
        style => Value::from_safe_string(include_str!("history.css").to_owned()),
        object => bytes(object.as_bytes()),
        clients => drawing.clients.clone(),
        operations => (0..history.operations.len()).map(|at| drawing.operation(at)).collect::<Vec<_>>(),
        end => drawing.end(),
        order => violation.map(|violation| violation.order.clone()).unwrap_or_default(),
        culprit => violation.map(|violation| violation.culprit),
        expected => violation.map(|violation| &violation.expected),
        actual => violation.map(|violation| &violation.actual),
    });
    page.expect("the context has all variables of the template")
}

struct Drawing<'a, A: Linearizable> {
    history: &'a History<A>,
    violation: Option<&'a Violation<A>>,
    /// The text of each operation's request, and the lines of its response.
    texts: Vec<(String, Vec<String>)>,
    /// Each operation's position in the order.
    places: BTreeMap<usize, usize>,
    /// The row of each time: calls and responses have a row each, so that short and long operations are readable.
    rows: BTreeMap<u64, usize>,
    clients: Vec<usize>,
}

impl<'a, A: Linearizable> Drawing<'a, A> {
    fn new(history: &'a History<A>, violation: Option<&'a Violation<A>>) -> Self {
        let (transcript, steps) = explain::transcript(history);
        let mut lines = A::lines(&transcript);
        let texts = history.operations.iter().zip(steps).map(|(operation, step)| {
            let (request, answer) = lines[step].take().unwrap_or_default();
            // The page is about one object, so its name is not repeated.
            let id = operation.object().map(|(_, id)| bytes(id.as_bytes())).unwrap_or_default();
            let request = request.replacen(&format!(" $ns {id}"), "", 1);
            let answer = answer.iter().filter_map(|line| A::brief(line));
            let answer = answer.map(|line| line.strip_prefix(&format!("{id} ")).unwrap_or(line).to_owned());
            (request, answer.collect())
        });
        let texts = texts.collect();
        let times = history.operations.iter();
        let mut times: Vec<u64> =
            times.flat_map(|operation| [Some(operation.called), operation.returned]).flatten().collect();
        times.sort_unstable();
        times.dedup();
        let mut clients: Vec<usize> = history.operations.iter().map(|operation| operation.client).collect();
        clients.sort_unstable();
        clients.dedup();
        let order = violation.map_or(&[][..], |violation| &violation.order);
        Self {
            history,
            violation,
            texts,
            places: order.iter().enumerate().map(|(place, &at)| (at, place + 1)).collect(),
            // Row 1 is the header with the clients.
            rows: times.into_iter().enumerate().map(|(row, time)| (time, row + 2)).collect(),
            clients,
        }
    }

    /// The row below the last.
    fn end(&self) -> usize {
        self.rows.len() + 2
    }

    fn operation(&self, at: usize) -> Value {
        let operation = &self.history.operations[at];
        let is_culprit = self.violation.is_some_and(|violation| violation.culprit == at);
        let last = operation.returned.and_then(|returned| self.rows.get(&returned).copied());
        let place = self.places.get(&at);
        let class = match (is_culprit, operation.returned, place) {
            (true, _, _) => " culprit",
            (false, None, _) => " open",
            (false, Some(_), Some(_)) => " placed",
            (false, Some(_), None) => "",
        };
        let (request, answer) = &self.texts[at];
        let (verb, rest) = request.split_once(' ').unwrap_or((request, ""));
        context! {
            client => operation.client,
            class,
            column => self.clients.iter().position(|client| *client == operation.client).unwrap_or(0) + 1,
            first => self.rows.get(&operation.called).copied().unwrap_or(2),
            end => last.map_or(self.end(), |last| last + 1),
            place => if is_culprit { Some("✗".to_owned()) } else { place.map(usize::to_string) },
            request => context! { whole => request, verb, rest },
            answer => operation.returned.map(|_| answer.join(", ")),
            details => self.details(at),
        }
    }

    /// The full text of an operation, shown on hover.
    fn details(&self, at: usize) -> String {
        let operation = &self.history.operations[at];
        let (request, answer) = &self.texts[at];
        let called = micros(operation.called);
        let mut text = format!("client {}\n{request}\n", operation.client);
        for line in answer {
            let _ = writeln!(text, "    {line}");
        }
        match operation.returned {
            Some(returned) => {
                let took = micros(returned.saturating_sub(operation.called));
                let _ = write!(text, "called {called}, answered {} (after {took})", micros(returned));
            }
            None => {
                let _ = write!(
                    text,
                    "called {called}, no answer yet: it may have taken effect, or may do so later"
                );
            }
        }
        if let Some(violation) = self.violation.filter(|violation| violation.culprit == at) {
            let _ = write!(text, "\nexpected: {}\nactual:   {}", violation.expected, violation.actual);
        }
        text
    }
}

/// Nanoseconds as microseconds with one decimal.
fn micros(nanos: u64) -> String {
    format!("{}.{} µs", nanos / 1_000, nanos % 1_000 / 100)
}
