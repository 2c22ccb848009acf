//! A history as a page that can be read in a browser: a lane per client, time downwards, and where it stops making sense.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{History, Operation, Verdict, Violation, explain};
use crate::render::{Names, bytes};

const STYLE: &str = include_str!("history.css");

/// Draws `history`; of a violation, the part of the history that shows it. The page needs nothing but itself, and no
/// script.
pub fn html(history: &History, verdict: &Verdict) -> String {
    let mut page = String::new();
    let (history, violation) = match verdict {
        Verdict::Linearizable | Verdict::Inconclusive(_) => (history, None),
        Verdict::Violation(violation) => (&violation.history, Some(&**violation)),
    };
    let drawing = Drawing::new(history, violation);
    let title = title(verdict);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    );
    drawing.head(&mut page, title, verdict);
    drawing.lanes(&mut page);
    drawing.order(&mut page);
    page.push_str("</body>\n</html>\n");
    page
}

fn title(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Linearizable => "An order explains this history",
        Verdict::Inconclusive(_) => "Nothing is shown either way",
        Verdict::Violation(violation) if violation.order.is_empty() => "This answer breaks the contract",
        Verdict::Violation(_) => "No order explains this history",
    }
}

struct Drawing<'a> {
    history: &'a History,
    violation: Option<&'a Violation>,
    /// What each operation asked, and the lines of its answer.
    said: Vec<(String, Vec<String>)>,
    /// Each operation's place in the order that explains the others.
    places: BTreeMap<usize, usize>,
    /// The row of each moment: calls and answers take a row each, so that short and long operations can both be read.
    rows: BTreeMap<u64, usize>,
    clients: Vec<usize>,
}

impl<'a> Drawing<'a> {
    fn new(history: &'a History, violation: Option<&'a Violation>) -> Self {
        let (transcript, steps) = explain::transcript(history);
        let names = Names::of(&transcript);
        let said = history.operations.iter().zip(steps).map(|(operation, step)| {
            let step = &transcript.steps[step];
            let asked = names.request(&step.request);
            // The page is about one record, so its name need not be said again.
            let id = operation.record().map(|(_, id)| bytes(id.as_bytes())).unwrap_or_default();
            let asked = asked.replacen(&format!(" $ns {id}"), "", 1);
            let answer = names.outcome(step).into_iter().filter(|line| line != "end").map(|line| {
                let line = line.strip_prefix(&format!("{id} ")).unwrap_or(&line);
                line.split_once(" created ").map_or(line, |(item, _)| item).to_owned()
            });
            (asked, answer.collect())
        });
        let said = said.collect();
        let moments = history.operations.iter();
        let mut moments: Vec<u64> =
            moments.flat_map(|operation| [Some(operation.called), operation.returned]).flatten().collect();
        moments.sort_unstable();
        moments.dedup();
        let mut clients: Vec<usize> = history.operations.iter().map(|operation| operation.client).collect();
        clients.sort_unstable();
        clients.dedup();
        let order = violation.map_or(&[][..], |violation| &violation.order);
        Self {
            history,
            violation,
            said,
            places: order.iter().enumerate().map(|(place, &at)| (at, place + 1)).collect(),
            // Row 1 names the clients.
            rows: moments.into_iter().enumerate().map(|(row, moment)| (moment, row + 2)).collect(),
            clients,
        }
    }

    fn head(&self, page: &mut String, title: &str, verdict: &Verdict) {
        let operations = &self.history.operations;
        let record = operations.first().and_then(Operation::record).map_or("", |(_, id)| id);
        let _ = writeln!(
            page,
            "<p class=\"soft\">Record {} · {} clients · {} operations</p>\n<h1>{title}</h1>",
            escaped(&bytes(record.as_bytes())),
            self.clients.len(),
            operations.len()
        );
        match verdict {
            Verdict::Linearizable => {
                page.push_str("<p>Every answer is explained by some order of the operations.</p>\n");
            }
            Verdict::Inconclusive(why) => {
                let _ = writeln!(page, "<p>{}</p>", escaped(why));
            }
            Verdict::Violation(violation) => {
                if !violation.order.is_empty() {
                    page.push_str(
                        "<p>Every operation must take effect at one moment between its call and its answer. The green \
                         ones can be put in such an order, by their numbers; the answer of the red one fits nowhere in \
                         any. What happened after that answer is left out.</p>\n",
                    );
                }
                let (asked, _) = &self.said[violation.culprit];
                let _ = writeln!(
                    page,
                    "<dl class=\"verdict\">\n<dt>Operation</dt><dd><a href=\"#culprit\">client {}</a>: <code>{}</code></dd>\n\
                     <dt>Expected</dt><dd><code>{}</code></dd>\n<dt>Actual</dt><dd><code>{}</code></dd>\n</dl>",
                    operations[violation.culprit].client,
                    escaped(asked),
                    escaped(&violation.expected),
                    escaped(&violation.actual)
                );
            }
        }
    }

    fn lanes(&self, page: &mut String) {
        page.push_str(
            "<h2>What the clients saw</h2>\n<p class=\"soft\">A lane per client, from each call down to its answer; a row \
             per call or answer, however long it took. Point at an operation for its times.</p>\n<p class=\"legend\">",
        );
        if self.violation.is_some_and(|violation| !violation.order.is_empty()) {
            page.push_str(
                "<span style=\"--edge: var(--good); --fill: var(--good-bar)\">placed, with its number</span>",
            );
        }
        page.push_str("<span style=\"--edge: var(--open); --fill: var(--open-bar)\">no answer yet</span>");
        if self.violation.is_some() {
            page.push_str(
                "<span style=\"--edge: var(--bad); --fill: var(--bad-bar)\">cannot be explained</span>",
            );
        }
        page.push_str("</p>\n");
        let (columns, end) = (self.clients.len(), self.rows.len() + 2);
        let _ = writeln!(
            page,
            "<div class=\"lanes\" style=\"grid-template-columns: repeat({columns}, minmax(0, 1fr))\">"
        );
        for (column, client) in self.clients.iter().enumerate() {
            let column = column + 1;
            let _ =
                writeln!(page, "<div class=\"who\" style=\"grid-area: 1 / {column}\">client {client}</div>");
            let _ = writeln!(page, "<div class=\"lane\" style=\"grid-area: 2 / {column} / {end}\"></div>");
        }
        for at in 0..self.history.operations.len() {
            self.bar(page, at);
        }
        page.push_str("</div>\n");
    }

    fn bar(&self, page: &mut String, at: usize) {
        let operation = &self.history.operations[at];
        let is_culprit = self.violation.is_some_and(|violation| violation.culprit == at);
        let column = self.clients.iter().position(|client| *client == operation.client).unwrap_or(0) + 1;
        let first = self.rows.get(&operation.called).copied().unwrap_or(2);
        let last = operation.returned.and_then(|returned| self.rows.get(&returned).copied());
        let end = last.map_or(self.rows.len() + 2, |last| last + 1);
        let class = match (is_culprit, operation.returned, self.places.get(&at)) {
            (true, _, _) => "op culprit",
            (false, None, _) => "op open",
            (false, Some(_), Some(_)) => "op placed",
            (false, Some(_), None) => "op",
        };
        let id = if is_culprit { " id=\"culprit\"" } else { "" };
        let place = match self.places.get(&at) {
            _ if is_culprit => "<span class=\"place\">✗</span>".to_owned(),
            Some(place) => format!("<span class=\"place\">{place}</span>"),
            None => String::new(),
        };
        let (asked, answer) = &self.said[at];
        let _ = writeln!(
            page,
            "<div{id} class=\"{class}\" tabindex=\"0\" style=\"grid-area: {first} / {column} / {end}\">{place}{}{}\
             <div class=\"more\">{}</div></div>",
            strong(asked),
            answered(operation, answer),
            escaped(&self.details(at))
        );
    }

    /// Everything about an operation, for those who look closer.
    fn details(&self, at: usize) -> String {
        let operation = &self.history.operations[at];
        let (asked, answer) = &self.said[at];
        let called = micros(operation.called);
        let mut text = format!("client {}\n{asked}\n", operation.client);
        for line in answer {
            let _ = writeln!(text, "    {line}");
        }
        match operation.returned {
            Some(returned) => {
                let took = micros(returned.saturating_sub(operation.called));
                let _ = write!(text, "called {called}, answered {} (after {took})", micros(returned));
            }
            None => {
                let _ =
                    write!(text, "called {called}, no answer yet: it may have taken effect, or may still");
            }
        }
        if let Some(violation) = self.violation.filter(|violation| violation.culprit == at) {
            let _ = write!(text, "\nexpected: {}\nactual:   {}", violation.expected, violation.actual);
        }
        text
    }

    fn order(&self, page: &mut String) {
        let Some(violation) = self.violation.filter(|violation| !violation.order.is_empty()) else { return };
        page.push_str("<h2>An order that explains everything else</h2>\n<ol class=\"order\">\n");
        for &at in &violation.order {
            let (asked, answer) = &self.said[at];
            let operation = &self.history.operations[at];
            let answer = if at == violation.culprit {
                "<span class=\"unexplained\">without its answer</span>".to_owned()
            } else {
                answered(operation, answer)
            };
            let client = operation.client;
            let _ = writeln!(
                page,
                "<li>{} {answer} <span class=\"soft\">client {client}</span></li>",
                strong(asked)
            );
        }
        page.push_str("</ol>\n");
    }
}

/// The verb stands out.
fn strong(asked: &str) -> String {
    let (verb, rest) = asked.split_once(' ').unwrap_or((asked, ""));
    format!("<b>{}</b> {}", escaped(verb), escaped(rest))
}

fn answered(operation: &Operation, answer: &[String]) -> String {
    match operation.returned {
        None => String::new(),
        Some(_) if answer.is_empty() => "<span class=\"answer\">OK</span>".to_owned(),
        Some(_) => format!("<span class=\"answer\">{}</span>", escaped(&answer.join(", "))),
    }
}

/// Nanoseconds as microseconds with one decimal.
fn micros(nanos: u64) -> String {
    format!("{}.{} µs", nanos / 1_000, nanos % 1_000 / 100)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
