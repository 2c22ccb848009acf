//! The report as one self-contained page: no network, no font of its own, and no script that it needs.

mod cases;
mod contract;
mod escape;
mod failures;
mod head;
mod markdown;
mod rules;
mod transcript;

use std::fmt::Write;

use super::{Outcome, Report, Verdict};
pub(super) use escape::escape;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// A part of the page that its list of contents names.
struct Section {
    id: &'static str,
    title: &'static str,
    /// How much there is of it, for the list of contents.
    count: Option<usize>,
    body: String,
}

/// The report as one self-contained HTML page.
pub fn html(report: &Report) -> String {
    let sections = [
        failures::faults(report),
        failures::inconclusive(report),
        failures::known(report),
        rules::section(report),
        cases::skipped(report),
        cases::slowest(report),
        cases::all(report),
        Some(contract::section()),
    ];
    let sections: Vec<_> = sections.into_iter().flatten().collect();
    let title = escape(&format!("{}: {} by Prism conformance", report.target.name, report.verdict.label()));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; \
         style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <link rel=\"icon\" href=\"{}\">\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        icon(report.verdict),
    );
    page.push_str(&head::header(report));
    page.push_str(&contents(&sections));
    page.push_str("<main>\n");
    for Section { id, title, body, .. } in &sections {
        let _ = write!(
            page,
            "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{title}</h2>\n{body}</section>\n"
        );
    }
    let _ = write!(page, "</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    page
}

fn contents(sections: &[Section]) -> String {
    let mut list = String::from("<nav aria-label=\"Contents\">\n");
    for Section { id, title, count, .. } in sections {
        let count = count.map(|count| format!(" <span class=\"count\">{count}</span>")).unwrap_or_default();
        let _ = writeln!(list, "<a href=\"#{id}\">{title}{count}</a>");
    }
    list + "</nav>\n"
}

/// The class that colours what came out so.
const fn tone(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Conformant => "good",
        Verdict::Incomplete | Verdict::NotConformant => "bad",
        Verdict::ConformantButForKnownFailures
        | Verdict::Partial
        | Verdict::Inconclusive
        | Verdict::NothingRan => "open",
    }
}

/// A disc in the verdict's colour. It also keeps a browser from asking a server for an icon.
fn icon(verdict: Verdict) -> String {
    let color = match tone(verdict) {
        "good" => "2f7d4f",
        "bad" => "b3261e",
        _ => "b58a1b",
    };
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7' \
         fill='%23{color}'/%3E%3C/svg%3E"
    )
}

/// The class and the sign of a case that came out so; the sign tells them apart without colour.
const fn look(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Passed => ("good", "✓"),
        Outcome::Failed | Outcome::UnexpectedPass | Outcome::Broken => ("bad", "✗"),
        Outcome::KnownFailure | Outcome::Inconclusive => ("open", "?"),
        Outcome::NotApplicable | Outcome::NotObservable | Outcome::LeftOut => ("none", "–"),
    }
}

/// A span of time as people read it.
fn span(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        60_000.. => format!("{} min {} s", millis / 60_000, millis / 1_000 % 60),
    }
}

/// A command that is easily taken whole.
fn command(line: &str) -> String {
    format!("<pre class=\"command\"><code>{}</code></pre>\n", escape(line))
}

#[cfg(test)]
mod tests;
