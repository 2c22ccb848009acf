//! A handmade report with a case of every outcome, for tests.

use std::time::Duration;

use prism_contract::keyvalue::Capability;

use super::{CaseOutcome, CaseReport, Report, RunInfo, Target, report as assemble};
use crate::core::Abstraction;
use crate::core::known::KnownFailures;
use crate::core::plan::Selection;
use crate::core::run::Settings;
use crate::keyvalue::KeyValue;

/// A case with this outcome.
pub(crate) fn case(
    id: &'static str,
    title: &'static str,
    rules: &'static [&'static str],
    outcome: CaseOutcome,
) -> CaseReport {
    CaseReport {
        id,
        title,
        rules,
        level: "must",
        kind: "example",
        outcome,
        reason: None,
        expected: None,
        actual: None,
        transcript: None,
        likely_causes: Vec::new(),
        signature: None,
        broken: None,
        attachments: Vec::new(),
        replay: format!(
            "prism-conformance run --endpoint http://127.0.0.1:8980 --only '{id}' --seed 7 --budget quick"
        ),
        replay_shrunk: None,
        elapsed_ms: 3,
    }
}

/// The cases of [`report`].
pub(crate) fn cases() -> Vec<CaseReport> {
    let because = |mut case: CaseReport, reason: &str| {
        case.reason = Some(reason.to_owned());
        case
    };
    let failed = CaseReport {
        expected: Some("\"k\"=\"new\"".to_owned()),
        actual: Some("\"k\"=\"old\" & <nothing> else".to_owned()),
        transcript: Some(
            "put $ns \"r\" \"k\"=\"old\" type \"text/plain\" compression 2\n    \"k\" applied v1\nput $ns \"r\" \"k\"=\"new\"\n    \"k\" \
             applied v2\n→ get $ns \"r\"\n    \"k\"=\"old\" v2 type \"text/plain\" compression 2 created t1 updated t1\n    ^ \
             expected: \"k\"=\"new\"\n    ^ actual:   \"k\"=\"old\" & <nothing> else\n"
                .to_owned(),
        ),
        likely_causes: vec!["KeepsTheOldValue: an overwrite changes the version alone".to_owned()],
        elapsed_ms: 1_204,
        ..case(
            "put::replaces_the_whole_item",
            "A Put replaces the whole item, value and client metadata.",
            &["PUT-1"],
            CaseOutcome::Failed,
        )
    };
    let known = CaseReport {
        expected: Some("OK".to_owned()),
        actual: Some("UNAVAILABLE (busy)".to_owned()),
        ..case("scan::resumes", "A Scan is resumed by its token.", &["SCAN-1"], CaseOutcome::KnownFailure)
    };
    vec![
        case("rt::every_byte", "A value comes back byte for byte.", &["RT-1", "RT-2"], CaseOutcome::Passed),
        failed,
        case(
            "put::leaves_others",
            "A Put leaves the record's other items alone.",
            &["PUT-2"],
            CaseOutcome::Passed,
        ),
        because(known, "issue 12: to be fixed with the new cursor"),
        because(
            case(
                "lin::history",
                "Operations on a record are linearizable.",
                &["LIN-1"],
                CaseOutcome::Inconclusive,
            ),
            "nothing overlapped",
        ),
        because(
            case(
                "ttl::expires",
                "An item is absent from expires_at on.",
                &["TTL-1"],
                CaseOutcome::NotApplicable,
            ),
            "EXPIRY is not declared; the opposite case runs",
        ),
        because(
            case(
                "dur::kill",
                "What was acknowledged survives a kill.",
                &["DUR-1"],
                CaseOutcome::NotObservable,
            ),
            "this target cannot be killed",
        ),
        because(
            case("page::tokens", "The last page has no token.", &["PAGE-5"], CaseOutcome::Broken),
            "the server did not start",
        ),
        because(
            case("ord::bytes", "Keys are in byte order.", &["ORD-1"], CaseOutcome::UnexpectedPass),
            "known failure (a collation), but passed: remove it from the list",
        ),
    ]
}

/// A report of [`cases`].
pub(crate) fn report() -> Report {
    let target = Target {
        name: "127.0.0.1:8980".to_owned(),
        mode: "over the wire".to_owned(),
        claims: vec![Capability::ConditionalWrites.name(), Capability::Reverse.name()],
        abilities: vec!["restart"],
        details: vec![("address".to_owned(), "http://127.0.0.1:8980".to_owned())],
    };
    let settings = Settings { seed: 7, ..Settings::default() };
    let started = "2024-01-01T00:00:00Z".to_owned();
    let reproduce =
        "prism-conformance run --endpoint http://127.0.0.1:8980 --seed 7 --budget quick".to_owned();
    let mut run = RunInfo::before(KeyValue::CONTRACT, settings, started, reproduce);
    run.suite_version = "0.0.0";
    let elapsed = Duration::from_millis(2_345);
    let mut report =
        assemble(target, run, elapsed, &Selection::default(), &KnownFailures::default(), cases());
    // New rules of the contract must not change the snapshots.
    report.requirements.retain(|rule| !rule.cases.is_empty());
    report
}
