//! The text report: a failure, and the summary of a run, for a terminal.

use std::borrow::Cow;
use std::fmt::Write;

use super::layout::{Layout, Tone};
use super::{
    CaseOutcome, CaseReport, Contract, FailureGroup, Report, RuleVerdict, RunInfo, RunVerdict, Target, count,
    level_name,
};

/// Maximum lines of a transcript on a terminal; JSON and HTML have all of them.
const MAX_LINES: usize = 48;

/// Maximum number of failures that are all printed in full; more are printed by group.
const FEW_FAILURES: usize = 3;

/// Maximum number of groups with a transcript; further ones have a line each.
const FULL_GROUPS: usize = 7;

/// Maximum number of further groups, with a line each.
const LINE_GROUPS: usize = 5;

/// Maximum lines of a group's transcript before the diverging step, and of the answer to it.
const BEFORE: usize = 2;
const ANSWER: usize = 2;

/// Maximum lines of each side of a group's divergence.
const DIVERGENCE: usize = 2;

/// Maximum lines of the server's log beside a group.
const LOGGED: usize = 3;

/// Maximum number of a group's other cases that are named.
const OTHERS: usize = 3;

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
    // Two thirds are before the arrow: earlier steps explain the divergence. But what stands below the arrow, such as lines of
    // the server's log, is shown to its end.
    let below = lines.iter().skip(arrow + 1).take_while(|line| line.starts_with("    ")).count();
    let least = (arrow + 1 + below).saturating_sub(most);
    let from = arrow.saturating_sub(most * 2 / 3).max(least).min(lines.len() - most);
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

/// The summary of a run: failures, inconclusive cases, rules, the verdict, and the counts on the last line. A few failures are
/// printed in full, more of them by group.
pub fn summary(report: &Report) -> String {
    summary_in(report, &Layout::default())
}

/// The same, for a terminal of a certain width, with colours, or with all failures in full.
pub fn summary_in(report: &Report, layout: &Layout) -> String {
    let mut text = String::new();
    let of = |outcome: CaseOutcome| report.cases.iter().filter(move |case| case.outcome == outcome);
    let failures = of(CaseOutcome::Failed).count();
    let in_full = |case: &&CaseReport| match case.outcome {
        CaseOutcome::Failed => failures <= FEW_FAILURES || layout.all_failures,
        CaseOutcome::UnexpectedPass | CaseOutcome::Broken | CaseOutcome::Inconclusive => true,
        CaseOutcome::Passed
        | CaseOutcome::KnownFailure
        | CaseOutcome::NotApplicable
        | CaseOutcome::NotObservable
        | CaseOutcome::LeftOut => false,
    };
    for case in report.cases.iter().filter(in_full) {
        let _ = writeln!(text, "{}\n{}", layout.rule(), failure(case, &report.target, &report.run));
    }
    if failures > FEW_FAILURES {
        text.push_str(&overview(report, layout));
    }
    for case in of(CaseOutcome::KnownFailure) {
        let reason = case.reason.as_deref().unwrap_or_default();
        let _ = writeln!(text, "known failure: {}: {reason}", case.id);
    }
    for problem in &report.problems {
        let _ = writeln!(text, "problem: {problem}");
    }
    text.push_str(&rules(report, layout));
    let tone = verdict_tone(report.verdict);
    let _ = writeln!(text, "{}", layout.toned(tone, &layout.wrapped("", &report.sentence)));
    if report.counts.inconclusive > 0 {
        let _ = writeln!(text, "{} of the skipped ran and were inconclusive.", report.counts.inconclusive);
    }
    let _ = writeln!(text, "{}", report.counts.line());
    text
}

/// The failures by group, a few lines each.
fn overview(report: &Report, layout: &Layout) -> String {
    let mut text = String::new();
    let (groups, rest): (Vec<_>, Vec<_>) = report.groups.iter().partition(|group| !group.is_rest);
    for (at, group) in groups.iter().take(FULL_GROUPS).enumerate() {
        text.push_str(&group_text(report, group, at + 1, groups.len(), layout));
    }
    let others = groups.get(FULL_GROUPS..).unwrap_or_default();
    if !others.is_empty() {
        let _ = writeln!(text, "{}", layout.heading("Other groups, with one failure of each"));
    }
    for group in others.iter().take(LINE_GROUPS) {
        let Some(case) = report.case(group.shown) else { continue };
        let line = format!("{:>3} × {}: {}", group.cases.len(), case.id, case.message());
        let _ = writeln!(text, "{}", shortened(&line, layout.width));
    }
    if others.len() > LINE_GROUPS {
        let _ = writeln!(text, "    … {} more", others.len() - LINE_GROUPS);
    }
    for group in rest {
        let number = match group.cases.len() {
            1 => "1 random case, scenario or history".to_owned(),
            more => format!("{more} random cases, scenarios and histories"),
        };
        let line = format!(
            "{number} failed as well, each in another way; often they end with the groups above: {}",
            listed(&group.cases, OTHERS)
        );
        let _ = writeln!(text, "{}", layout.wrapped("", &line));
    }
    let one = "'CASE'";
    let again = report.cases.iter().find(|case| case.outcome == CaseOutcome::Failed);
    let again =
        again.map(|case| case.replay.replace(&format!("'{}'", case.id), one).replace(case.id, "CASE"));
    let path = |name| report.failures.as_ref().map(|folder| folder.join(name).display().to_string());
    let lines = [("one again", again), ("in full", path("failures.txt")), ("ids", path("failed.txt"))];
    for (name, value) in lines {
        if let Some(value) = value {
            let _ = writeln!(text, "{} {value}", layout.toned(Tone::Soft, &format!("{name:9}")));
        }
    }
    text.push('\n');
    text
}

fn group_text(report: &Report, group: &FailureGroup, at: usize, of: usize, layout: &Layout) -> String {
    let Some(case) = report.case(group.shown) else { return String::new() };
    let mut text = String::new();
    let number = count(group.cases.len(), "failure");
    let about = group.rules.join(", ");
    let about = if about.is_empty() { about } else { format!(", about {about}") };
    let first = if group.is_basic { ": mend this first, most cases depend on it" } else { "" };
    let _ = writeln!(text, "{}", layout.heading(&format!("Group {at} of {of}: {number}{about}{first}")));
    let title = layout.wrapped("  ", &format!("{}: {}", case.id, case.title));
    let _ = writeln!(text, "{}", layout.toned(Tone::Bad, &title));
    for line in brief(case, layout.width.saturating_sub(2)) {
        let _ = writeln!(text, "  {line}");
    }
    let others: Vec<_> = group.cases.iter().copied().filter(|id| *id != case.id).collect();
    let also = listed(&others, OTHERS);
    for (name, value) in [("like", group.likely_cause.as_deref().unwrap_or_default()), ("also", &also)] {
        if !value.is_empty() {
            let name = layout.toned(Tone::Soft, name);
            let _ = writeln!(text, "{name}  {}", layout.wrapped("      ", value));
        }
    }
    text
}

/// The diverging step of a transcript with the lines before it, and the divergence.
fn brief(case: &CaseReport, width: usize) -> Vec<String> {
    let lines: Vec<_> = case.transcript.as_deref().unwrap_or_default().lines().collect();
    let arrow = lines.iter().position(|line| line.starts_with('→'));
    let mut shown = Vec::new();
    if let Some(arrow) = arrow {
        shown.extend(&lines[arrow.saturating_sub(BEFORE)..=arrow]);
        let below = lines[arrow + 1..].iter().copied().take_while(|line| line.starts_with("    "));
        let below = below.filter(|line| !line.starts_with("    ^ "));
        let (logged, answer): (Vec<&str>, Vec<&str>) = below.partition(|line| line.starts_with("    | "));
        shown.extend(answer.into_iter().take(ANSWER));
        // The end of a server's log of the call has the error itself, below its stack.
        shown.extend(&logged[logged.len().saturating_sub(LOGGED)..]);
    }
    let mut shown: Vec<_> = shown.into_iter().map(|line| shortened(line, width)).collect();
    for (name, value) in [("expected", &case.expected), ("actual", &case.actual)] {
        let Some(value) = value else { continue };
        // With room for the ellipsis.
        let layout = Layout { width: width.saturating_sub(2), ..Layout::default() };
        let wrapped = format!("    ^ {name:8}  {}", layout.wrapped(&" ".repeat(16), value));
        let mut lines: Vec<_> = wrapped.lines().map(|line| shortened(line, width)).collect();
        if lines.len() > DIVERGENCE {
            lines.truncate(DIVERGENCE);
            lines[DIVERGENCE - 1] = shortened(&format!("{} …", lines[DIVERGENCE - 1]), width);
        }
        shown.extend(lines);
    }
    shown
}

/// A line, cut to this width with an ellipsis.
fn shortened(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// The first `most` names, and the number of others.
fn listed(names: &[&str], most: usize) -> String {
    let shown = names.iter().take(most).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown}, and {more} more"),
    }
}

const fn verdict_tone(verdict: RunVerdict) -> Tone {
    match verdict {
        RunVerdict::Conformant => Tone::Good,
        RunVerdict::Incomplete | RunVerdict::NotConformant => Tone::Bad,
        RunVerdict::DurabilityNotShown
        | RunVerdict::CoreConformant
        | RunVerdict::ConformantButForKnownFailures
        | RunVerdict::Partial
        | RunVerdict::Inconclusive
        | RunVerdict::NothingRan => Tone::Open,
    }
}

/// The number of rules per verdict, and the ids of those not proven.
fn rules(report: &Report, layout: &Layout) -> String {
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
            | RuleVerdict::NotProven
            | RuleVerdict::Inconclusive
            | RuleVerdict::NotApplicable
            | RuleVerdict::NotObservable
            | RuleVerdict::Untestable
            | RuleVerdict::NotRun => {
                let line = format!("{label}: {} ({})", count(ids.len(), "rule"), ids.join(", "));
                writeln!(text, "{}", layout.wrapped("  ", &line))
            }
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::report::fixture;

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
        let logged = format!("{}→ here\n{}", lines(0..50), "    | line\n".repeat(7));
        assert_eq!(
            excerpt(&logged, 9),
            format!("… 49 lines before\nstep 49\n→ here\n{}", "    | line\n".repeat(7))
        );
        let wide = format!("→ {}", "ä".repeat(MAX_WIDTH));
        assert_eq!(excerpt(&wide, 9), format!("→ {}… 2 more characters\n", "ä".repeat(MAX_WIDTH - 2)));
        assert!(excerpt(&lines(0..20), 9).ends_with("step 18\nstep 19\n"));
    }

    #[test]
    fn a_group_shows_the_divergence_with_the_end_of_the_server_s_log() {
        let before = "put a\n    OK\nput b\n    OK\n→ get\n    UNKNOWN\n";
        let transcript = format!("{before}    | 1\n    | 2\n    | 3\n    | 4\n    ^ expected: OK\n");
        let case = CaseReport {
            transcript: Some(transcript),
            expected: Some("OK".to_owned()),
            actual: Some("UNKNOWN".to_owned()),
            ..fixture::case("a::b", "A title.", &["PUT-1"], CaseOutcome::Failed)
        };
        let lines = ["put b", "    OK", "→ get", "    UNKNOWN", "    | 2", "    | 3", "    | 4"];
        let divergence = ["    ^ expected  OK", "    ^ actual    UNKNOWN"];
        assert_eq!(brief(&case, 80), [&lines[..], &divergence].concat());
        let case =
            CaseReport { actual: Some("UNKNOWN because of one two three four five".to_owned()), ..case };
        let wrapped = ["    ^ actual    UNKNOWN", "                because of …"];
        assert_eq!(brief(&case, 30)[8..], wrapped);
        assert_eq!(brief(&case, 6)[0], "put b");
        assert_eq!(brief(&case, 6)[3], "    U…");
    }
}
