//! Every rule of the contract: what the run says about it, its own words, and the cases that prove it.

use std::fmt::Write;

use super::super::{CaseReport, Report, RuleReport, RuleVerdict};
use super::escape::with_code;
use super::{Section, escape, look};

pub(super) fn section(report: &Report) -> Option<Section> {
    if report.requirements.is_empty() {
        return None;
    }
    let mut body = summary(report);
    body.push_str("<table class=\"rules\">\n<thead><tr><th scope=\"col\">rule</th><th scope=\"col\">in this run</th><th scope=\"col\">what it says, and what proves it</th></tr></thead>\n");
    let mut area = "";
    for rule in &report.requirements {
        if rule.area != area {
            area = rule.area;
            let _ = writeln!(
                body,
                "<tbody class=\"area\"><tr><th colspan=\"3\" scope=\"colgroup\">{}</th></tr></tbody>",
                escape(area)
            );
        }
        body.push_str(&row(rule, report));
    }
    body.push_str("</table>\n");
    let count = Some(report.requirements.len());
    Some(Section { id: "rules", title: "Rules", count, body })
}

/// How many rules came out how, and the switch that leaves only the rest to be read.
fn summary(report: &Report) -> String {
    let mut html = String::from("<p class=\"tally\">");
    for verdict in RuleVerdict::ALL {
        let number = report.requirements.iter().filter(|rule| rule.verdict == verdict).count();
        if number > 0 {
            let _ =
                write!(html, "<span class=\"tag {}\">{number} {}</span> ", tone(verdict), verdict.label());
        }
    }
    html + "<label class=\"switch\"><input type=\"checkbox\" id=\"hide-proven\"> hide what is proven</label></p>\n"
}

fn row(rule: &RuleReport, report: &Report) -> String {
    let (id, tone) = (escape(rule.id), tone(rule.verdict));
    let proven = if rule.verdict == RuleVerdict::Proven { " class=\"proven\"" } else { "" };
    let level = if rule.level == "must" { "" } else { "<br><span class=\"soft\">should</span>" };
    let mut html = format!(
        "<tbody{proven}><tr id=\"rule:{id}\"><th scope=\"row\"><a href=\"#{id}\" title=\"{id} in the contract\">{id}</a>{level}</th>\
         <td><span class=\"tag {tone}\">{}</span></td><td>{}",
        rule.verdict.label(),
        with_code(rule.text),
    );
    if let Some(reason) = &rule.reason {
        let _ = write!(html, "<div class=\"soft\">{}</div>", escape(reason));
    }
    let cases: Vec<_> = report.cases.iter().filter(|case| rule.cases.contains(&case.id)).collect();
    html.push_str(&proofs(&cases));
    html + "</td></tr></tbody>\n"
}

fn proofs(cases: &[&CaseReport]) -> String {
    if cases.is_empty() {
        return String::new();
    }
    let mut tally: Vec<(&str, usize)> = Vec::new();
    for case in cases {
        match tally.iter_mut().find(|(label, _)| *label == case.outcome.label()) {
            Some((_, number)) => *number += 1,
            None => tally.push((case.outcome.label(), 1)),
        }
    }
    let tally: Vec<_> = tally.iter().map(|(label, number)| format!("{number} {label}")).collect();
    let what = if cases.len() == 1 { "case" } else { "cases" };
    let mut html = format!("<details><summary>{what}: {}</summary><ul class=\"plain\">", tally.join(", "));
    for case in cases {
        let ((tone, sign), id) = (look(case.outcome), escape(case.id));
        let _ = write!(
            html,
            "<li><span class=\"sign {tone}\" title=\"{}\">{sign}</span> <a href=\"#{id}\"><code>{id}</code></a></li>",
            case.outcome.label()
        );
    }
    html + "</ul></details>"
}

const fn tone(verdict: RuleVerdict) -> &'static str {
    match verdict {
        RuleVerdict::Proven => "good",
        RuleVerdict::Failed => "bad",
        RuleVerdict::KnownFailing
        | RuleVerdict::Inconclusive
        | RuleVerdict::ProvenInPart
        | RuleVerdict::NotRun => "open",
        RuleVerdict::NotApplicable | RuleVerdict::NotObservable | RuleVerdict::Untestable => "none",
    }
}
