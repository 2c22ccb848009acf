//! The report as JUnit XML.

use std::fmt::Write;

use super::html::escape;
use super::{CaseOutcome, CaseReport, Report, failure};

/// The report as a JUnit file: one test suite, with one test case per case.
pub fn junit(report: &Report) -> String {
    let (target, counts) = (&report.target, report.counts);
    let broken = report.cases.iter().filter(|case| case.outcome == CaseOutcome::Broken).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let totals = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{broken}\" time=\"{}\"",
        report.cases.len(),
        counts.failed - counts.known - broken,
        seconds(report.run.elapsed_ms),
    );
    // The schema that Jenkins publishes has no `skipped` here.
    let _ = writeln!(xml, "<testsuites name=\"prism-conformance\" {totals}>");
    let _ = writeln!(
        xml,
        "  <testsuite name=\"conformance::{}\" {totals} skipped=\"{}\" timestamp=\"{}\">",
        escape(&target.name),
        counts.skipped + counts.known,
        report.run.started.trim_end_matches('Z'),
    );
    let _ = writeln!(xml, "    <properties>");
    let known = [
        ("verdict", report.verdict.label()),
        ("mode", target.mode.as_str()),
        ("budget", report.run.budget),
        ("contract", report.run.contract_version),
    ];
    let seed = report.run.seed.to_string();
    for (name, value) in known.into_iter().chain([("seed", seed.as_str())]) {
        let _ = writeln!(xml, "      <property name=\"{name}\" value=\"{}\"/>", escape(value));
    }
    let _ = writeln!(xml, "    </properties>");
    for case in &report.cases {
        push_case(&mut xml, report, case);
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

fn push_case(xml: &mut String, report: &Report, case: &CaseReport) {
    let (group, name) = case.id.split_once("::").unwrap_or(("", case.id));
    // Jenkins treats the part before the last dot as a package, so dots in the address are replaced.
    let class = format!("conformance.{}.{group}", report.target.name.replace('.', "_"));
    let time = seconds(case.elapsed_ms);
    let _ = write!(xml, "    <testcase classname=\"{}\" name=\"{name}\" time=\"{time}\"", escape(&class));
    let message = escape(&case.message());
    let reason = escape(case.reason.as_deref().unwrap_or(case.outcome.label()));
    let body = match case.outcome {
        CaseOutcome::Passed => None,
        CaseOutcome::Failed | CaseOutcome::UnexpectedPass => Some(("failure", message, true)),
        CaseOutcome::Broken => Some(("error", reason, true)),
        CaseOutcome::KnownFailure => Some(("skipped", format!("known failure: {reason}"), false)),
        CaseOutcome::Inconclusive => Some(("skipped", format!("inconclusive: {reason}"), false)),
        CaseOutcome::NotApplicable | CaseOutcome::NotObservable | CaseOutcome::LeftOut => {
            Some(("skipped", reason, false))
        }
    };
    let _ = match body {
        None => writeln!(xml, "/>"),
        Some((tag, message, false)) => writeln!(xml, "><{tag} message=\"{message}\"/></testcase>"),
        Some((tag, message, true)) => {
            let text = escape(&failure(case, &report.target, &report.run));
            writeln!(xml, "><{tag} message=\"{message}\">{text}</{tag}></testcase>")
        }
    };
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::report::fixture;

    #[test]
    fn the_junit_file_is_as_it_was() {
        insta::assert_snapshot!(junit(&fixture::report()));
    }
}
