//! The assembly of a report from the results of cases.

use std::time::Duration;

use super::{
    Attachment, CaseOutcome, CaseReport, Report, RunInfo, RunVerdict, SCHEMA, Target, causes, groups,
    kind_name, level_name, rules,
};
use crate::core::known::KnownFailures;
use crate::core::plan::{Omission, Selection};
use crate::core::run::{self, CaseResult, Obstacle};
use crate::core::{Abstraction, Case, Divergence, Signature};

fn blank<A: Abstraction>(case: &'static Case<A>, outcome: CaseOutcome, replay: String) -> CaseReport {
    CaseReport {
        id: case.id,
        title: case.title,
        rules: case.proves,
        level: level_name(case.level),
        kind: kind_name(case.kind),
        outcome,
        reason: None,
        expected: None,
        actual: None,
        transcript: None,
        likely_causes: Vec::new(),
        signature: None,
        broken: None,
        attachments: Vec::new(),
        replay,
        replay_shrunk: None,
        elapsed_ms: 0,
    }
}

/// The report of a case left out by the selection.
pub(crate) fn omitted<A: Abstraction>(case: &'static Case<A>, why: &Omission, replay: String) -> CaseReport {
    CaseReport { reason: Some(why.reason()), ..blank(case, CaseOutcome::LeftOut, replay) }
}

/// The report of a case that does not run on this target.
pub(crate) fn not_run<A: Abstraction>(
    case: &'static Case<A>,
    obstacle: Obstacle,
    replay: String,
) -> CaseReport {
    let outcome = skipped(&obstacle);
    CaseReport { reason: Some(obstacle.reason()), ..blank(case, outcome, replay) }
}

/// The report of a case; `known` lists the known failures, and `trace` keeps all transcripts.
pub fn case_report<A: Abstraction>(
    result: &CaseResult<A>,
    known: &KnownFailures,
    replay: String,
    trace: bool,
) -> CaseReport {
    let mut report = blank(result.case, CaseOutcome::Passed, replay);
    report.elapsed_ms = millis(result.elapsed);
    match &result.verdict {
        run::Verdict::Passed => {}
        run::Verdict::Failed(divergence) => {
            // These include text from the server, which must not send control characters to a terminal.
            let (expected, actual) = (one_line(&divergence.expected), one_line(&divergence.actual));
            let divergence = Divergence { step: divergence.step, expected, actual };
            report.signature = Some(Signature::of(&divergence));
            report.outcome = CaseOutcome::Failed;
            report.transcript = Some(result.transcript.render(Some(&divergence)));
            (report.expected, report.actual) = (Some(divergence.expected), Some(divergence.actual));
        }
        run::Verdict::Inconclusive(why) => {
            (report.outcome, report.reason) = (CaseOutcome::Inconclusive, Some(printable(why)));
        }
        run::Verdict::Broken(why) => {
            (report.outcome, report.reason) = (CaseOutcome::Broken, Some(printable(why)));
        }
        run::Verdict::Skipped(obstacle) => {
            (report.outcome, report.reason) = (skipped(obstacle), Some(obstacle.clone().reason()));
        }
    }
    let kept = report.outcome == CaseOutcome::Broken || (trace && !report.outcome.is_skipped());
    if report.transcript.is_none() && kept {
        let notes = result.transcript.notes.iter().map(|note| format!("note: {note}\n"));
        report.transcript = Some(notes.fold(result.transcript.render(None), |text, note| text + &note));
    }
    apply_known(&mut report, known);
    if report.outcome.is_fault() || report.outcome == CaseOutcome::Inconclusive {
        report.attachments = result.attachments.iter().map(attachment).collect();
    }
    report
}

fn attachment((name, content): &(String, String)) -> Attachment {
    Attachment { name: name.clone(), path: None, content: content.clone() }
}

/// Applies the known failures: an expected failure does not fail the run, a changed one or a pass does.
fn apply_known(report: &mut CaseReport, known: &KnownFailures) {
    let Some(known) = known.of(report.id) else { return };
    match report.outcome {
        CaseOutcome::Failed if known.message.is_within(&report.message()) => {
            (report.outcome, report.reason) = (CaseOutcome::KnownFailure, Some(known.reason.clone()));
        }
        CaseOutcome::Failed => {
            let message = &known.message;
            report.reason = Some(format!("known failure, but with a message other than '{message}'"));
        }
        CaseOutcome::Passed => {
            let why = format!("known failure ({}), but passed: remove it from the list", known.reason);
            (report.outcome, report.reason) = (CaseOutcome::UnexpectedPass, Some(why));
        }
        CaseOutcome::KnownFailure
        | CaseOutcome::UnexpectedPass
        | CaseOutcome::Inconclusive
        | CaseOutcome::Broken
        | CaseOutcome::NotApplicable
        | CaseOutcome::NotObservable
        | CaseOutcome::LeftOut => {}
    }
}

const fn skipped(obstacle: &Obstacle) -> CaseOutcome {
    match obstacle {
        Obstacle::NotDeclared(_) | Obstacle::Declared(_) => CaseOutcome::NotApplicable,
        Obstacle::Unable { .. } | Obstacle::NotOnTheWire => CaseOutcome::NotObservable,
    }
}

/// Text with control characters escaped, except newlines and tabs.
fn printable(text: &str) -> String {
    let shown = |char: char| match char {
        '\n' | '\t' => char.to_string(),
        char if char.is_control() => char.escape_default().to_string(),
        char => char.to_string(),
    };
    text.chars().map(shown).collect()
}

/// The same as one line.
fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n").replace('\t', "\\t")
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The report of a run. `cases` are in the suite's order, including those left out.
pub(crate) fn report(
    target: Target,
    mut run: RunInfo,
    elapsed: Duration,
    selection: &Selection,
    known: &KnownFailures,
    mut cases: Vec<CaseReport>,
) -> Report {
    run.elapsed_ms = millis(elapsed);
    let causes = causes::name(run.contract, &mut cases);
    let likely_causes = causes.iter().map(|cause| causes::line(cause.mutant)).collect();
    let groups = groups::group(run.contract, &cases, &causes);
    let stale =
        known.stale(run.contract).map(|known| format!("the known failure of {} matches no case", known.case));
    let problems: Vec<_> = stale.collect();
    let requirements = rules::judge(run.contract, &target, &cases);
    let (verdict, sentence) = RunVerdict::of(&target, &cases, &requirements, &groups, selection, &problems);
    Report {
        schema: SCHEMA,
        verdict,
        exit_code: verdict.exit_code(),
        sentence,
        counts: super::Counts::of(&cases),
        target,
        run,
        problems,
        likely_causes,
        groups,
        failures: None,
        requirements,
        cases,
    }
}

/// The current time in UTC, as RFC 3339, to the second.
pub(crate) fn utc_now() -> String {
    jiff::Timestamp::now().strftime("%FT%TZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_from_a_server_are_escaped() {
        assert_eq!(printable("a\u{1b}[2Jb\nc\u{7f}ä"), "a\\u{1b}[2Jb\nc\\u{7f}ä");
        assert_eq!(one_line("a\n→ b\r"), "a\\n→ b\\r");
    }
}
