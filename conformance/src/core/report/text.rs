//! The text report: a failure, and the summary of a run, for a terminal.

use std::borrow::Cow;
use std::fmt::Write;

use super::{CaseOutcome, CaseReport, Contract, Report, RuleVerdict, RunInfo, Target, count, level_name};

/// Maximum lines of a transcript on a terminal; JSON and HTML have all of them.
const MAX_LINES: usize = 48;

/// Maximum characters of such a line.
const MAX_WIDTH: usize = 400;

/// Maximum number of rules that are all printed in full; of more, only those that the failure names.
const FULL_RULES: usize = 4;

/// The full text of a failure: the case and its rules, the target, the seed, the transcript with an arrow at the first
/// divergence, expected and actual, likely causes, and the replay command.
pub fn failure(case: &CaseReport, target: &Target, run: &RunInfo) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}: {}", case.outcome.label().to_uppercase(), case.id);
    let _ = writeln!(text, "  {}\n", case.title);
    text.push_str(&rules_of(case, run.contract));
    let _ = writeln!(text, "backend   {}, {}", target.name, target.mode);
    let _ = writeln!(text, "seed      {} (budget {})", run.seed, run.budget);
    if let Some(transcript) = case.transcript.as_deref().filter(|transcript| !transcript.is_empty()) {
        let _ = writeln!(text, "\n{}", excerpt(transcript, MAX_LINES).trim_end());
    }
    text.push('\n');
    for (name, value) in [("expected", &case.expected), ("actual", &case.actual), ("reason", &case.reason)] {
        if let Some(value) = value {
            let _ = writeln!(text, "{name:9} {value}");
        }
    }
    if !case.likely_causes.is_empty() {
        let _ = writeln!(text, "\nlikely causes: seeded bugs with similar failures");
        for cause in &case.likely_causes {
            let _ = writeln!(text, "  - {cause}");
        }
    }
    text.push('\n');
    for path in case.attachments.iter().filter_map(|attachment| attachment.path.as_deref()) {
        let _ = writeln!(text, "saved     {}", path.display());
    }
    let _ = writeln!(text, "replay    {}", case.replay);
    if let Some(shrunk) = &case.replay_shrunk {
        let _ = writeln!(text, "shrunk    {shrunk}");
    }
    text
}

/// The rules that a case proves. Random operations prove many, but a failure is about one of them.
fn rules_of(case: &CaseReport, contract: Contract) -> String {
    let (in_full, others) = case.split_rules(FULL_RULES, contract);
    let mut text = String::new();
    for rule in (contract.requirements)().iter().filter(|rule| in_full.contains(&rule.id.as_str())) {
        let _ = writeln!(text, "rule      {} ({}): {}", rule.id, level_name(rule.level), rule.text);
    }
    if !others.is_empty() {
        let _ = writeln!(text, "proves    {}", others.join(", "));
    }
    text
}

/// The lines around the arrow, or the last ones, with the number of omitted lines.
fn excerpt(transcript: &str, most: usize) -> String {
    let lines: Vec<_> = transcript.lines().map(clipped).collect();
    if lines.len() <= most {
        return lines.iter().flat_map(|line| [line, "\n"]).collect();
    }
    let arrow = lines.iter().position(|line| line.starts_with('→')).unwrap_or(lines.len());
    // Two thirds are before the arrow: earlier steps explain the divergence.
    let from = arrow.saturating_sub(most * 2 / 3).min(lines.len() - most);
    let mut text = String::new();
    if from > 0 {
        let _ = writeln!(text, "… {} before", count(from, "line"));
    }
    for line in &lines[from..from + most] {
        let _ = writeln!(text, "{line}");
    }
    let after = lines.len() - from - most;
    if after > 0 {
        let _ = writeln!(text, "… {} after", count(after, "line"));
    }
    text
}

/// A line, truncated to the maximum width.
fn clipped(line: &str) -> Cow<'_, str> {
    match line.char_indices().nth(MAX_WIDTH) {
        None => line.into(),
        Some((end, _)) => {
            let more = count(line[end..].chars().count(), "more character");
            format!("{}… {more}", &line[..end]).into()
        }
    }
}

/// The summary of a run: failures, inconclusive cases, rules, the verdict, and the counts on the last line.
pub fn summary(report: &Report) -> String {
    let mut text = String::new();
    let in_full = |case: &&CaseReport| case.outcome.is_fault() || case.outcome == CaseOutcome::Inconclusive;
    for case in report.cases.iter().filter(in_full) {
        let _ = writeln!(text, "{}\n{}", "─".repeat(72), failure(case, &report.target, &report.run));
    }
    for case in report.cases.iter().filter(|case| case.outcome == CaseOutcome::KnownFailure) {
        let reason = case.reason.as_deref().unwrap_or_default();
        let _ = writeln!(text, "known failure: {}: {reason}", case.id);
    }
    for problem in &report.problems {
        let _ = writeln!(text, "problem: {problem}");
    }
    if !report.likely_causes.is_empty() {
        text.push_str("all failures together most resemble these seeded bugs\n");
        for cause in &report.likely_causes {
            let _ = writeln!(text, "  - {cause}");
        }
    }
    text.push_str(&rules(report));
    let _ = writeln!(text, "{}", report.sentence);
    if report.counts.inconclusive > 0 {
        let _ = writeln!(text, "{} of the skipped ran and were inconclusive.", report.counts.inconclusive);
    }
    let _ = writeln!(text, "{}", report.counts.line());
    text
}

/// The number of rules per verdict, and the ids of those not proven.
fn rules(report: &Report) -> String {
    let mut text = String::new();
    for verdict in RuleVerdict::ALL {
        let ids: Vec<_> =
            report.requirements.iter().filter(|rule| rule.verdict == verdict).map(|rule| rule.id).collect();
        if ids.is_empty() {
            continue;
        }
        let label = verdict.label();
        let _ = match verdict {
            RuleVerdict::Proven => writeln!(text, "{label}: {}", count(ids.len(), "rule")),
            RuleVerdict::ProvenInPart
            | RuleVerdict::Failed
            | RuleVerdict::KnownFailing
            | RuleVerdict::Inconclusive
            | RuleVerdict::NotApplicable
            | RuleVerdict::NotObservable
            | RuleVerdict::Untestable
            | RuleVerdict::NotRun => {
                writeln!(text, "{label}: {} ({})", count(ids.len(), "rule"), ids.join(", "))
            }
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_transcript_is_cut_around_the_arrow() {
        let lines = |range: std::ops::Range<usize>| -> String {
            range.flat_map(|n| ["step ".to_owned(), n.to_string(), "\n".to_owned()]).collect()
        };
        let long = format!("{}→ here\n{}", lines(0..50), lines(51..100));
        let cut = excerpt(&long, 9);
        assert_eq!(
            cut,
            "… 44 lines before\nstep 44\nstep 45\nstep 46\nstep 47\nstep 48\nstep 49\n→ here\nstep 51\nstep 52\n… 47 lines \
             after\n"
        );
        assert_eq!(excerpt(&lines(0..9), 9), lines(0..9));
        let wide = format!("→ {}", "ä".repeat(MAX_WIDTH));
        assert_eq!(excerpt(&wide, 9), format!("→ {}… 2 more characters\n", "ä".repeat(MAX_WIDTH - 2)));
        assert!(excerpt(&lines(0..20), 9).ends_with("step 18\nstep 19\n"));
    }
}
