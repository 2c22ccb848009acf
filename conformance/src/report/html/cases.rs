//! The cases of a run: those that did not run and why, those that took longest, and all of them.

use std::fmt::Write;

use super::super::{CaseReport, Outcome, Report, count};
use super::escape::with_code;
use super::{Section, escape, failures, look, span, transcript};

/// How many of the slowest are shown.
const SLOWEST: usize = 10;

/// What did not run, by the reason.
pub(super) fn skipped(report: &Report) -> Option<Section> {
    let cases: Vec<_> = report.cases.iter().filter(|case| case.outcome.is_skipped()).collect();
    let mut reasons: Vec<(&str, Vec<&CaseReport>)> = Vec::new();
    for case in &cases {
        let reason = case.reason.as_deref().unwrap_or(case.outcome.label());
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, same)) => same.push(case),
            None => reasons.push((reason, vec![case])),
        }
    }
    if cases.is_empty() {
        return None;
    }
    let mut body = String::from("<dl class=\"skipped\">\n");
    for (reason, cases) in reasons {
        let label = cases.first().map_or("", |case| case.outcome.label());
        let _ = writeln!(
            body,
            "<dt>{} <span class=\"soft\">· {label}, {}</span></dt>\n<dd><ul class=\"plain\">",
            escape(reason),
            count(cases.len(), "case")
        );
        for case in cases {
            let id = escape(case.id);
            let _ = writeln!(
                body,
                "<li><code>{id}</code> <span class=\"soft\">{}</span></li>",
                with_code(case.title)
            );
        }
        body.push_str("</ul></dd>\n");
    }
    body.push_str("</dl>\n");
    Some(Section { id: "skipped", title: "Skipped", count: Some(cases.len()), body })
}

/// The cases that took longest.
pub(super) fn slowest(report: &Report) -> Option<Section> {
    let mut cases: Vec<_> = report.cases.iter().filter(|case| !case.outcome.is_skipped()).collect();
    cases.sort_by_key(|case| std::cmp::Reverse(case.elapsed_ms));
    cases.truncate(SLOWEST);
    let most = cases.first()?.elapsed_ms.max(1);
    let mut body = String::from(
        "<p class=\"soft\">From the opening of a store to the verdict, with other cases running at the same time.</p>\n\
         <table class=\"slowest\">\n",
    );
    for case in cases {
        let (id, (tone, _)) = (escape(case.id), look(case.outcome));
        let part = case.elapsed_ms * 100 / most;
        let _ = writeln!(
            body,
            "<tr><th scope=\"row\"><a href=\"#{id}\"><code>{id}</code></a></th><td class=\"number\">{}</td>\
             <td class=\"wide\"><span class=\"length {tone}\" style=\"width:{part}%\"></span></td></tr>",
            span(case.elapsed_ms)
        );
    }
    body.push_str("</table>\n");
    Some(Section { id: "slowest", title: "Slowest cases", count: None, body })
}

/// Every case, by group.
pub(super) fn all(report: &Report) -> Option<Section> {
    if report.cases.is_empty() {
        return None;
    }
    let mut groups: Vec<(&str, Vec<&CaseReport>)> = Vec::new();
    for case in &report.cases {
        let group = case.id.split("::").next().unwrap_or_default();
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, same)) => same.push(case),
            None => groups.push((group, vec![case])),
        }
    }
    let body = groups.iter().map(|(group, cases)| self::group(group, cases)).collect();
    Some(Section { id: "cases", title: "All cases", count: Some(report.cases.len()), body })
}

fn group(name: &str, cases: &[&CaseReport]) -> String {
    let signs = [("good", "passed"), ("bad", "failed"), ("open", "open"), ("none", "skipped")];
    let tally = signs.iter().filter_map(|(tone, label)| {
        let number = cases.iter().filter(|case| look(case.outcome).0 == *tone).count();
        (number > 0).then(|| format!("<span class=\"tone {tone}\">{number} {label}</span>"))
    });
    let tally: Vec<_> = tally.collect();
    let mut html = format!(
        "<details class=\"group\"><summary><code>{}</code> {}</summary>\n<table class=\"cases\">\n",
        escape(name),
        tally.join(" · ")
    );
    for case in cases {
        html.push_str(&row(case));
    }
    html + "</table>\n</details>\n"
}

fn row(case: &CaseReport) -> String {
    let ((tone, sign), id) = (look(case.outcome), escape(case.id));
    let mut html = format!(
        "<tr id=\"{id}\"><td><span class=\"sign {tone}\" title=\"{}\">{sign}</span></td><td><code>{id}</code><div>{}</div>",
        case.outcome.label(),
        with_code(case.title)
    );
    if let Some(reason) = &case.reason {
        let _ = write!(html, "<div class=\"soft\">{}: {}</div>", case.outcome.label(), escape(reason));
    }
    let links = case.rules.iter().map(|rule| format!("<a href=\"#rule:{0}\">{0}</a>", escape(rule)));
    let _ = write!(html, "<div class=\"soft\">{}</div>", links.collect::<Vec<_>>().join(" "));
    match (case.outcome, &case.transcript) {
        (
            Outcome::Failed
            | Outcome::UnexpectedPass
            | Outcome::Broken
            | Outcome::KnownFailure
            | Outcome::Inconclusive,
            _,
        ) => {
            let _ = write!(html, "<a href=\"#{}\">all about it</a>", failures::anchor(case));
        }
        (Outcome::Passed, Some(said)) if !said.is_empty() => {
            let _ = write!(
                html,
                "<details><summary>transcript</summary>{}</details>",
                transcript::transcript(said)
            );
        }
        (Outcome::Passed | Outcome::NotApplicable | Outcome::NotObservable | Outcome::LeftOut, _) => {}
    }
    let took = if case.outcome.is_skipped() { String::new() } else { span(case.elapsed_ms) };
    html + &format!("</td><td class=\"number\">{took}</td></tr>\n")
}
