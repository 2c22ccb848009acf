//! Mutation testing of the suite: every mutant is caught, by a case that cites a rule it breaks.

use std::path::Path;

use prism_conformance::Abstraction;
use prism_conformance::keyvalue::mutants::{kill_matrix, mutants};
use prism_conformance::keyvalue::{Case, KeyValue, cases};
use prism_conformance::mutation::{
    Depth, KillMatrix, Problem, Selftest, gate, likely_causes, matrix, matrix_markdown,
};

/// The environment variable that runs the full matrix and writes the result into the source tree.
const WRITE: &str = "PRISM_WRITE_MATRIX";

fn all_cases() -> Vec<&'static Case> {
    cases::all().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mutant_is_caught_by_a_case_that_cites_a_rule_it_breaks() {
    let depth = if std::env::var_os(WRITE).is_some() { Depth::Full } else { Depth::FirstKill };
    let matrix = matrix(&all_cases(), &Selftest { depth, ..Selftest::default() }, |_| true).await;
    if depth == Depth::Full {
        write(&KillMatrix::of(&matrix, &all_cases()));
    }
    let problems: Vec<_> = gate(&matrix).iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[cfg(feature = "cli")]
#[tokio::test(flavor = "multi_thread")]
async fn every_mutant_is_caught_through_a_socket_too() {
    let over_grpc = Selftest {
        reach: |mutant| std::sync::Arc::new(prism_conformance::wire::OverGrpc::of(mutant)),
        ..Selftest::default()
    };
    let matrix = matrix(&all_cases(), &over_grpc, |_| true).await;
    assert_eq!(matrix.rows.len(), mutants().count());
    let problems: Vec<_> = gate(&matrix).iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_cases_every_mutant_survives() {
    let matrix = matrix::<KeyValue>(&[], &Selftest::default(), |_| true).await;
    let survivors =
        gate(&matrix).into_iter().filter(|problem| matches!(problem, Problem::Survives(_))).count();
    assert_eq!(survivors, matrix.rows.len());
    assert!(survivors >= 40, "only {survivors} mutants");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutant_caught_only_by_cases_of_other_rules_is_a_problem() {
    let other: Vec<_> = cases::by_id("round_trip::every_byte_comes_back").into_iter().collect();
    let matrix = matrix(&other, &Selftest::default(), |mutant| mutant.name == "StaleReadAfterWrite").await;
    let chance = |problem: &Problem<KeyValue>| matches!(problem, Problem::CaughtByChance(..));
    assert_eq!(gate(&matrix).iter().filter(|problem| chance(problem)).count(), 1);
}

#[test]
fn the_failures_of_a_mutant_name_it_as_a_likeliest_cause() {
    for mutant in mutants() {
        let failed: Vec<_> =
            cases::all().map(|case| case.id).filter(|case| kill_matrix().fails(mutant.name, case)).collect();
        let causes = likely_causes(KeyValue::CONTRACT, &failed);
        let best = causes.first().map_or(0.0, |(_, likeness)| *likeness);
        let named = causes
            .iter()
            .any(|(cause, likeness)| cause.name == mutant.name && likeness.total_cmp(&best).is_eq());
        assert!(
            named || failed.is_empty(),
            "{} is not among the likeliest causes of its own failures",
            mutant.name
        );
    }
}

#[test]
fn the_recorded_matrix_covers_every_case_and_every_mutant() {
    let stale = kill_matrix().stale::<KeyValue>();
    assert!(stale.is_empty(), "run this test with {WRITE}=1:\n{}", stale.join("\n"));
}

#[test]
fn a_matrix_of_another_suite_is_stale_in_each_respect() {
    let text = r#"{"cases": ["put::gone"], "kills": {"Gone": ["put::gone"]}}"#;
    let stale = KillMatrix::from_json(text).unwrap().stale::<KeyValue>();
    for expected in [
        "case put::gone no longer exists",
        "case round_trip::every_byte_comes_back is not recorded",
        "mutant Gone no longer exists",
        "mutant StaleReadAfterWrite is not recorded",
    ] {
        assert!(stale.iter().any(|message| message == expected), "'{expected}' is not among {stale:?}");
    }
}

#[test]
fn a_matrix_is_read_back_from_its_file_as_it_was() {
    let text = std::fs::read_to_string(root().join("kill-matrix.json")).unwrap();
    assert_eq!(KillMatrix::from_json(&text).unwrap().to_json(), text);
    let error = KillMatrix::from_json("{}").unwrap_err();
    assert!(error.starts_with("missing field `cases`"), "{error}");
}

#[test]
fn the_page_of_the_book_is_the_recorded_matrix() {
    let page = std::fs::read_to_string(root().join("../docs/conformance-matrix.md")).unwrap_or_default();
    assert!(page == matrix_markdown::<KeyValue>(kill_matrix()), "run this test with {WRITE}=1, twice");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn write(matrix: &KillMatrix) {
    std::fs::write(root().join("kill-matrix.json"), matrix.to_json()).expect("the data can be written");
    std::fs::write(root().join("../docs/conformance-matrix.md"), matrix_markdown::<KeyValue>(matrix))
        .expect("the page can be written");
}
