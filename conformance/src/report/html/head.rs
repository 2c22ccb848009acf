//! The top of the page: the verdict, what it is about, and how to have it again.

use std::fmt::Write;

use super::super::{Report, RuleVerdict, Verdict};
use super::{command, escape, span, tone};
use crate::Ability;
use prism_contract::keyvalue::Capability;

pub(super) fn header(report: &Report) -> String {
    let (verdict, counts) = (report.verdict, report.counts);
    let mut html = format!(
        "<header>\n<p class=\"eyebrow\">Prism conformance · <b>{}</b> · contract {}</p>\n\
         <h1><span class=\"sign {tone}\" aria-hidden=\"true\">{}</span>{}</h1>\n<p class=\"sentence\">{}</p>\n",
        escape(&report.target.name),
        escape(report.run.contract_version),
        sign(verdict),
        headline(verdict),
        escape(sentence(report)),
        tone = tone(verdict),
    );
    for problem in &report.problems {
        let _ = writeln!(html, "<p class=\"problem\">{}</p>", escape(problem));
    }
    let _ = writeln!(
        html,
        "<div class=\"bar\" role=\"img\" aria-label=\"{}\"><span class=\"good\" style=\"flex-grow:{}\"></span><span \
         class=\"bad\" style=\"flex-grow:{}\"></span><span class=\"open\" style=\"flex-grow:{}\"></span><span class=\"none\" \
         style=\"flex-grow:{}\"></span></div>",
        counts.line(),
        counts.passed,
        counts.failed - counts.known,
        counts.inconclusive + counts.known,
        counts.skipped - counts.inconclusive,
    );
    html.push_str(&figures(report));
    html.push_str(&facts(report));
    html.push_str("<h2 class=\"small\">To run this again</h2>\n");
    html.push_str(&command(&report.run.reproduce));
    html + "</header>\n"
}

const fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Conformant | Verdict::ConformantButForKnownFailures | Verdict::Partial => "✓",
        Verdict::Incomplete | Verdict::NotConformant => "✗",
        Verdict::Inconclusive | Verdict::NothingRan => "?",
    }
}

const fn headline(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Conformant => "Conformant",
        Verdict::ConformantButForKnownFailures => "Conformant, but for known failures",
        Verdict::Partial => "Passed, in part",
        Verdict::Incomplete => "Incomplete",
        Verdict::NotConformant => "Not conformant",
        Verdict::Inconclusive => "Inconclusive",
        Verdict::NothingRan => "Nothing ran",
    }
}

/// The verdict's sentence, without the headline that it may begin with.
fn sentence(report: &Report) -> &str {
    let rest = report.sentence.strip_prefix(headline(report.verdict));
    rest.and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&report.sentence)
}

/// The numbers that are asked for first.
fn figures(report: &Report) -> String {
    let counts = report.counts;
    let proven = report.requirements.iter().filter(|rule| rule.verdict == RuleVerdict::Proven).count();
    let rules = format!("{proven}<span class=\"of\">/{}</span>", report.requirements.len());
    let mut html = String::from("<ul class=\"figures\">\n");
    let mut figure = |class: &str, number: &str, what: &str| {
        let _ = writeln!(html, "<li class=\"{class}\"><b>{number}</b> {what}</li>");
    };
    figure("good", &counts.passed.to_string(), "passed");
    figure(if counts.failed > 0 { "bad" } else { "" }, &counts.failed.to_string(), "failed");
    figure(if counts.inconclusive > 0 { "open" } else { "" }, &counts.skipped.to_string(), "skipped");
    figure("", &rules, "rules proven");
    figure("", &span(report.run.elapsed_ms), "in all");
    html + "</ul>\n"
}

fn facts(report: &Report) -> String {
    let (target, run) = (&report.target, &report.run);
    let mut html = String::from("<dl class=\"facts\">\n");
    let mut fact = |name: &str, said: &str| {
        let _ = writeln!(html, "<div><dt>{}</dt><dd>{said}</dd></div>", escape(name));
    };
    fact("target", &format!("{}, {}", escape(&target.name), escape(&target.mode)));
    for (name, value) in &target.details {
        fact(name, &escape(value));
    }
    fact("claims", &chips(Capability::ALL.iter().map(|claim| claim.name()), &target.claims));
    fact("can be done to it", &chips(Ability::ALL.iter().map(|ability| ability.name()), &target.abilities));
    fact("budget and seed", &format!("{}, {}", escape(run.budget), run.seed));
    let started = run.started.replace('T', " ").replace('Z', " UTC");
    fact("started", &format!("<time datetime=\"{}\">{}</time>", escape(&run.started), escape(&started)));
    fact("suite version", &escape(run.suite_version));
    html + "</dl>\n"
}

/// Each of `all`, struck out where it is not among `has`.
fn chips<'a>(all: impl Iterator<Item = &'a str>, has: &[&str]) -> String {
    let chips = all.map(|name| {
        let (class, sign) = if has.contains(&name) { ("chip", "✓") } else { ("chip absent", "no") };
        format!("<span class=\"{class}\"><span class=\"hint\">{sign}</span> {}</span>", escape(name))
    });
    chips.collect::<Vec<_>>().join(" ")
}
