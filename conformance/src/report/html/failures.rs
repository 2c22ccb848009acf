//! The cases that did not come out well, each with all there is to say about it.

use std::fmt::Write;
use std::path::Path;

use prism_contract::keyvalue::requirements;

use super::super::{Attachment, CaseReport, Outcome, Report, level_name};
use super::escape::with_code;
use super::{Section, command, escape, look, span, transcript};

/// So many failures are shown open; of more, the first few.
const ALL_OPEN: usize = 8;
const SOME_OPEN: usize = 3;

/// Rules that a failure shows in full; of more, only their ids.
const RULES: usize = 4;

pub(super) fn faults(report: &Report) -> Option<Section> {
    let mut section = of(report, "failures", "Failures", Outcome::is_fault)?;
    if !report.likely_causes.is_empty() {
        let causes = causes("All failures together look most like", &report.likely_causes);
        section.body.insert_str(0, &format!("<div class=\"causes all\">{causes}</div>\n"));
    }
    Some(section)
}

pub(super) fn inconclusive(report: &Report) -> Option<Section> {
    of(report, "inconclusive", "Inconclusive", |outcome| outcome == Outcome::Inconclusive)
}

pub(super) fn known(report: &Report) -> Option<Section> {
    of(report, "known", "Known failures", |outcome| outcome == Outcome::KnownFailure)
}

fn of(
    report: &Report,
    id: &'static str,
    title: &'static str,
    which: impl Fn(Outcome) -> bool,
) -> Option<Section> {
    let cases: Vec<_> = report.cases.iter().filter(|case| which(case.outcome)).collect();
    if cases.is_empty() {
        return None;
    }
    let open = if cases.len() > ALL_OPEN { SOME_OPEN } else { cases.len() };
    let articles = cases.iter().enumerate().map(|(at, case)| article(case, at < open));
    Some(Section { id, title, count: Some(cases.len()), body: articles.collect() })
}

/// The anchor of a failure; the bare id is the anchor of the case in the list of all cases.
pub(super) fn anchor(case: &CaseReport) -> String {
    format!("failure:{}", escape(case.id))
}

fn article(case: &CaseReport, open: bool) -> String {
    let (tone, sign) = look(case.outcome);
    let mut html = format!(
        "<details class=\"failure {tone}\" id=\"{}\"{}>\n<summary><h3><span class=\"tag {tone}\">{sign} {}</span> \
         <code>{}</code></h3><span class=\"title\">{}</span></summary>\n<div class=\"inside\">\n",
        anchor(case),
        if open { " open" } else { "" },
        case.outcome.label(),
        escape(case.id),
        with_code(case.title),
    );
    html.push_str(&rules(case));
    if let Some(reason) = &case.reason {
        let _ = writeln!(html, "<p class=\"reason\">{}</p>", escape(reason));
    }
    if let (Some(expected), Some(actual)) = (&case.expected, &case.actual) {
        html.push_str(&transcript::side_by_side(expected, actual));
    }
    if let Some(said) = case.transcript.as_deref().filter(|said| !said.is_empty()) {
        html.push_str("<h4>What was asked and answered</h4>\n");
        html.push_str(&transcript::transcript(said));
    }
    if !case.likely_causes.is_empty() {
        html.push_str(&causes(
            "Likely causes: the seeded bugs that show in the same way",
            &case.likely_causes,
        ));
    }
    html.push_str("<h4>To run this case again</h4>\n");
    html.push_str(&command(&case.replay));
    if let Some(shrunk) = &case.replay_shrunk {
        html.push_str("<h4>To play these operations alone</h4>\n");
        html.push_str(&command(shrunk));
    }
    html.extend(case.attachments.iter().map(document));
    let _ = write!(
        html,
        "<p class=\"soft\">took {} · kind {}</p>\n</div>\n</details>\n",
        span(case.elapsed_ms),
        case.kind
    );
    html
}

/// The rules that a case proves: in full, or of many only those that the failure names, and the ids of the rest.
fn rules(case: &CaseReport) -> String {
    let (told, others) = case.rules_told(RULES);
    let mut html = String::from("<ul class=\"rules\">\n");
    for rule in requirements().iter().filter(|rule| told.contains(&rule.id.as_str())) {
        let (id, level) = (escape(&rule.id), level_name(rule.level));
        let _ = writeln!(
            html,
            "<li><a href=\"#{id}\">{id}</a> <span class=\"soft\">({level})</span> {}</li>",
            with_code(&rule.text)
        );
    }
    if !others.is_empty() {
        let links = others.iter().map(|id| format!("<a href=\"#{0}\">{0}</a>", escape(id)));
        let also = if told.is_empty() { "It proves" } else { "It also proves" };
        let _ = writeln!(html, "<li class=\"soft\">{also} {}</li>", links.collect::<Vec<_>>().join(", "));
    }
    html + "</ul>\n"
}

fn causes(heading: &str, causes: &[String]) -> String {
    let mut html = format!("<h4>{heading}</h4>\n<ol class=\"causes\">\n");
    for cause in causes {
        let (name, says) = cause.split_once(": ").unwrap_or((cause, ""));
        let _ = writeln!(html, "<li><code>{}</code> {}</li>", escape(name), with_code(says));
    }
    html + "</ol>\n"
}

/// A document: a page is shown as a page that can do nothing, everything else as text.
fn document(attachment: &Attachment) -> String {
    let (name, content) = (escape(&attachment.name), escape(&attachment.content));
    let place = attachment.path.as_ref().map(|path| {
        format!(" <span class=\"soft\">saved as <code>{}</code></span>", escape(&path.display().to_string()))
    });
    let is_page = Path::new(&attachment.name).extension().is_some_and(|extension| extension == "html");
    let shown = if is_page {
        format!("<iframe sandbox title=\"{name}\" loading=\"lazy\" srcdoc=\"{content}\"></iframe>")
    } else {
        format!("<pre class=\"document\">{content}</pre>")
    };
    format!(
        "<details class=\"document\"><summary><code>{name}</code></summary>{}{shown}</details>\n",
        place.map(|place| format!("<p>{place}</p>")).unwrap_or_default()
    )
}
