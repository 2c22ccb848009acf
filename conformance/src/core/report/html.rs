//! The report as one self-contained page: no network, no web font, and no required script.

mod escape;
mod markdown;
mod transcript;

use std::path::Path;
use std::sync::OnceLock;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value, context};

use super::{CaseOutcome, CaseReport, Report, RuleVerdict, RunVerdict, count, level_name, rules};
use crate::core::Ability;
pub(super) use escape::escape;

/// Maximum number of failures that are all expanded; of more, only the first few are.
const ALL_OPEN: usize = 8;
const SOME_OPEN: usize = 3;

/// Maximum number of rules that a failure shows all in full; of more, only those that it names.
const FULL_RULES: usize = 4;

/// Number of slowest cases shown.
const SLOWEST: usize = 10;

/// The report as one self-contained HTML page.
pub fn html(report: &Report) -> String {
    let page = templates().get_template("page").expect("the page is a template");
    page.render(view(report)).expect("the context has all variables of the template")
}

/// The page templates. Values are escaped by [`escape()`], which also replaces control characters and those that change the
/// text direction.
pub(in crate::core) fn templates() -> &'static Environment<'static> {
    static TEMPLATES: OnceLock<Environment<'static>> = OnceLock::new();
    TEMPLATES.get_or_init(|| {
        let mut templates = Environment::new();
        templates.set_auto_escape_callback(|_| AutoEscape::Html);
        templates.set_formatter(|out, _, value| match value.as_str() {
            Some(text) if !value.is_safe() => out.write_str(&escape(text)).map_err(write_error),
            Some(text) => out.write_str(text).map_err(write_error),
            None if value.is_undefined() || value.is_none() => Ok(()),
            None => write!(out, "{value}").map_err(write_error),
        });
        templates.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
        templates.add_filter("with_code", |text: &str| Value::from_safe_string(escape::with_code(text)));
        templates.add_filter("count", |number: usize, one: &str| count(number, one));
        for (name, text) in [
            ("page", include_str!("html/page.jinja")),
            ("history", include_str!("../linearizability/history.jinja")),
        ] {
            templates.add_template(name, text).expect("a template of the suite parses");
        }
        templates
    })
}

fn write_error(error: std::fmt::Error) -> Error {
    Error::new(ErrorKind::WriteFailure, "writing to memory failed").with_source(error)
}

/// The context of the page template.
fn view(report: &Report) -> Value {
    let cases: Vec<Value> = report.cases.iter().map(|case| case_view(case, report)).collect();
    let which = |which: &dyn Fn(CaseOutcome) -> bool| -> Vec<Value> {
        let all = report.cases.iter().zip(&cases);
        all.filter(|(case, _)| which(case.outcome)).map(|(_, view)| view.clone()).collect()
    };
    let section = |id: &str, title: &str, cases: Vec<Value>| {
        let open = if cases.len() > ALL_OPEN { SOME_OPEN } else { cases.len() };
        context! { id, title, open, cases }
    };
    let inconclusive = |outcome| outcome == CaseOutcome::Inconclusive;
    let known = |outcome| outcome == CaseOutcome::KnownFailure;
    let (tone, color) = tone(report.verdict);
    let (sign, headline) = headline(report.verdict);
    let rest = report.sentence.strip_prefix(headline).and_then(|rest| rest.strip_prefix(": "));
    let contract = report.run.contract;
    context! {
        report => Value::from(Serde(report)),
        style => Value::from_safe_string(include_str!("html/page.css").to_owned()),
        script => Value::from_safe_string(include_str!("html/page.js").to_owned()),
        verdict => context! { label => report.verdict.label(), tone, color, sign, headline },
        // The sentence, without a leading headline.
        sentence => rest.unwrap_or(&report.sentence),
        counted => report.counts.line(),
        took => span(report.run.elapsed_ms),
        proven => rules::proven(&report.requirements).0,
        provable => rules::proven(&report.requirements).1,
        capabilities => (contract.capabilities)(),
        abilities => Ability::ALL.map(Ability::name),
        groups_of_failures => failure_groups(report, &cases),
        with_cause => report.groups.iter().filter(|group| !group.is_rest).count(),
        sections => vec![
            section("failures", "Failures", which(&CaseOutcome::is_fault)),
            section("inconclusive", "Inconclusive", which(&inconclusive)),
            section("known", "Known failures", which(&known)),
        ],
        tally => rule_tally(report),
        rules => rule_views(report, &cases),
        skipped => skipped(report, &cases),
        slowest => slowest(report, &cases),
        groups => groups(report, &cases),
        // Without the first line, which the page has as a heading.
        contract => Value::from_safe_string(markdown::html(
            contract.text.split_once('\n').map_or(contract.text, |(_, rest)| rest),
        )),
    }
}

fn case_view(case: &CaseReport, report: &Report) -> Value {
    let contract = report.run.contract;
    let (tone, sign) = look(case.outcome);
    let (in_full, others) = case.split_rules(FULL_RULES, contract);
    let full_rules = (contract.requirements)().iter().filter(|rule| in_full.contains(&rule.id.as_str()));
    let full_rules = full_rules
        .map(|rule| context! { id => &rule.id, level => level_name(rule.level), text => &rule.text });
    let pair = case.expected.as_deref().zip(case.actual.as_deref());
    let documents = case.attachments.iter().map(|document| {
        context! {
            name => &document.name,
            content => &document.content,
            path => document.path.as_ref().map(|path| path.display().to_string()),
            is_page => Path::new(&document.name).extension().is_some_and(|extension| extension == "html"),
        }
    });
    context! {
        tone,
        sign,
        others,
        label => case.outcome.label(),
        full_rules => full_rules.collect::<Vec<_>>(),
        pair => pair.map(|(expected, actual)| transcript::side_by_side(expected, actual)),
        lines => case.transcript.as_deref().filter(|text| !text.is_empty()).map(transcript::parts),
        causes => case.likely_causes.iter().map(|cause| cause_view(cause)).collect::<Vec<_>>(),
        documents => documents.collect::<Vec<_>>(),
        took => span(case.elapsed_ms),
        is_skipped => case.outcome.is_skipped(),
        has_details => !case.outcome.is_skipped() && case.outcome != CaseOutcome::Passed,
        ..Value::from(Serde(case))
    }
}

fn cause_view(cause: &str) -> Value {
    let (name, says) = cause.split_once(": ").unwrap_or((cause, ""));
    context! { name, says }
}

/// The failures by group, and those that are in none, such as unexpected passes.
fn failure_groups(report: &Report, views: &[Value]) -> Vec<Value> {
    let of = |ids: &[&str]| -> Vec<Value> {
        let cases = report.cases.iter().zip(views).filter(|(case, _)| ids.contains(&case.id));
        cases.map(|(_, view)| view.clone()).collect()
    };
    let mut groups: Vec<_> = report
        .groups
        .iter()
        .enumerate()
        .map(|(at, group)| {
            // The case to read first comes first, and is the only one that is open.
            let others: Vec<_> = group.cases.iter().copied().filter(|id| *id != group.shown).collect();
            context! {
                number => at + 1,
                is_basic => group.is_basic,
                is_rest => group.is_rest,
                rules => &group.rules,
                cause => group.likely_cause.as_deref().map(cause_view),
                size => group.cases.len(),
                shown => of(&[group.shown]),
                others => of(&others),
            }
        })
        .collect();
    let grouped: Vec<_> = report.groups.iter().flat_map(|group| &group.cases).collect();
    let rest = report.cases.iter().filter(|case| case.outcome.is_fault() && !grouped.contains(&&case.id));
    let rest: Vec<_> = rest.map(|case| case.id).collect();
    if !rest.is_empty() {
        groups.push(context! { shown => of(&rest), others => Vec::<Value>::new() });
    }
    groups
}

/// The number of rules per verdict.
fn rule_tally(report: &Report) -> Vec<Value> {
    let tag = |verdict: RuleVerdict| {
        let number = report.requirements.iter().filter(|rule| rule.verdict == verdict).count();
        context! { number, tone => rule_tone(verdict), label => verdict.label() }
    };
    let occurs = |verdict: &RuleVerdict| report.requirements.iter().any(|rule| rule.verdict == *verdict);
    RuleVerdict::ALL.into_iter().filter(occurs).map(tag).collect()
}

/// All rules, each with the cases that prove it.
fn rule_views(report: &Report, views: &[Value]) -> Vec<Value> {
    let view = report.requirements.iter().map(|rule| {
        let about = report.cases.iter().zip(views).filter(|(case, _)| rule.cases.contains(&case.id));
        let (cases, proofs): (Vec<_>, Vec<_>) = about.map(|(case, view)| (case, view.clone())).unzip();
        let labels = grouped(cases, |case| case.outcome.label());
        let tally: Vec<_> = labels.iter().map(|(label, cases)| format!("{} {label}", cases.len())).collect();
        context! {
            proofs,
            tally => tally.join(", "),
            tone => rule_tone(rule.verdict),
            label => rule.verdict.label(),
            ..Value::from(Serde(rule))
        }
    });
    view.collect()
}

/// The skipped cases, grouped by reason.
fn skipped<'a>(report: &'a Report, views: &[Value]) -> Vec<Value> {
    let cases = report.cases.iter().zip(views).filter(|(case, _)| case.outcome.is_skipped());
    let reason = |&(case, _): &(&'a CaseReport, _)| case.reason.as_deref().unwrap_or(case.outcome.label());
    let reasons = grouped(cases, reason);
    let view = reasons.into_iter().map(|(reason, cases)| {
        let label = cases.first().map(|(case, _)| case.outcome.label());
        context! { reason, label, cases => views_of(&cases) }
    });
    view.collect()
}

/// The slowest cases, each with its duration as a percentage of the longest.
fn slowest(report: &Report, views: &[Value]) -> Vec<Value> {
    let cases = report.cases.iter().zip(views).filter(|(case, _)| !case.outcome.is_skipped());
    let mut cases: Vec<_> = cases.collect();
    cases.sort_by_key(|(case, _)| std::cmp::Reverse(case.elapsed_ms));
    cases.truncate(SLOWEST);
    let most = cases.first().map_or(1, |(case, _)| case.elapsed_ms.max(1));
    let view = |(case, view): (&CaseReport, &Value)| {
        context! { part => case.elapsed_ms * 100 / most, ..view.clone() }
    };
    cases.into_iter().map(view).collect()
}

/// All cases, by group.
fn groups(report: &Report, views: &[Value]) -> Vec<Value> {
    let group = |&(case, _): &(&CaseReport, &Value)| case.id.split("::").next().unwrap_or_default();
    let groups = grouped(report.cases.iter().zip(views), group);
    let view = groups.into_iter().map(|(name, cases)| {
        let signs = [("good", "passed"), ("bad", "failed"), ("open", "open"), ("none", "skipped")];
        let tally = signs.into_iter().filter_map(|(tone, label)| {
            let number = cases.iter().filter(|(case, _)| look(case.outcome).0 == tone).count();
            (number > 0).then(|| context! { number, tone, label })
        });
        let tally: Vec<_> = tally.collect();
        context! { name, tally, cases => views_of(&cases) }
    });
    view.collect()
}

fn views_of(cases: &[(&CaseReport, &Value)]) -> Vec<Value> {
    cases.iter().map(|(_, view)| (*view).clone()).collect()
}

/// Items grouped by key, in the order of first occurrence.
fn grouped<'a, T: 'a>(
    items: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> &'a str,
) -> Vec<(&'a str, Vec<T>)> {
    let mut groups: Vec<(&str, Vec<T>)> = Vec::new();
    for item in items {
        let key = key(&item);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, same)) => same.push(item),
            None => groups.push((key, vec![item])),
        }
    }
    groups
}

/// The CSS class of a verdict, and the colour of the page's icon.
const fn tone(verdict: RunVerdict) -> (&'static str, &'static str) {
    match verdict {
        RunVerdict::Conformant => ("good", "2f7d4f"),
        RunVerdict::Incomplete | RunVerdict::NotConformant => ("bad", "b3261e"),
        RunVerdict::DurabilityNotShown | RunVerdict::CoreConformant => ("part", "2a6fb8"),
        RunVerdict::ConformantButForKnownFailures
        | RunVerdict::Partial
        | RunVerdict::Inconclusive
        | RunVerdict::NothingRan => ("open", "b58a1b"),
    }
}

const fn headline(verdict: RunVerdict) -> (&'static str, &'static str) {
    match verdict {
        RunVerdict::Conformant => ("✓", "Conformant"),
        RunVerdict::DurabilityNotShown => ("✓", "Conformant, durability not shown"),
        RunVerdict::CoreConformant => ("✓", "The core holds"),
        RunVerdict::ConformantButForKnownFailures => ("✓", "Conformant, except for known failures"),
        RunVerdict::Partial => ("✓", "Passed, in part"),
        RunVerdict::Incomplete => ("✗", "Incomplete"),
        RunVerdict::NotConformant => ("✗", "Not conformant"),
        RunVerdict::Inconclusive => ("?", "Inconclusive"),
        RunVerdict::NothingRan => ("?", "Nothing ran"),
    }
}

const fn rule_tone(verdict: RuleVerdict) -> &'static str {
    match verdict {
        RuleVerdict::Proven => "good",
        RuleVerdict::Failed => "bad",
        RuleVerdict::KnownFailing
        | RuleVerdict::NotProven
        | RuleVerdict::Inconclusive
        | RuleVerdict::ProvenInPart
        | RuleVerdict::NotRun => "open",
        RuleVerdict::NotApplicable | RuleVerdict::NotObservable | RuleVerdict::Untestable => "none",
    }
}

/// The CSS class and the sign of an outcome; the sign distinguishes outcomes without colour.
const fn look(outcome: CaseOutcome) -> (&'static str, &'static str) {
    match outcome {
        CaseOutcome::Passed => ("good", "✓"),
        CaseOutcome::Failed | CaseOutcome::UnexpectedPass | CaseOutcome::Broken => ("bad", "✗"),
        CaseOutcome::KnownFailure | CaseOutcome::Inconclusive => ("open", "?"),
        CaseOutcome::NotApplicable | CaseOutcome::NotObservable | CaseOutcome::LeftOut => ("none", "–"),
    }
}

/// A human-readable duration.
fn span(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        60_000.. => format!("{} min {} s", millis / 60_000, millis / 1_000 % 60),
    }
}

#[cfg(test)]
mod tests;
