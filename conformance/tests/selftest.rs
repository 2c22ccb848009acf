//! Mutation testing of the suite: every mutant is caught, by a case that cites a rule it breaks.

use std::path::Path;
use std::time::Duration;

use prism_conformance::keyvalue::mutants::{kill_matrix, mutants};
use prism_conformance::keyvalue::{Case, KeyValue, cases};
use prism_conformance::mutation::{
    Cause, Depth, KillMatrix, Mutant, Named, Observed, Problem, Selftest, gate, likely_causes, matrix,
    matrix_markdown, pairs,
};
use prism_conformance::run::Settings;
use prism_conformance::{Abstraction, Fingerprint};

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

/// What a run on a store with exactly this bug would observe.
fn observed_on(mutant: &Mutant) -> Observed {
    let kills = kill_matrix().kills();
    let mut observed = Observed::default();
    for case in cases::all().filter(|case| kill_matrix().records(case.id)) {
        match kills.get(mutant.name).and_then(|kills| kills.get(case.id)) {
            Some(how) => drop(observed.failed.insert(case.id.to_owned(), *how)),
            None => drop(observed.passed.insert(case.id.to_owned())),
        }
    }
    observed
}

#[test]
fn the_failures_of_a_mutant_name_it_first() {
    let mut others = Vec::new();
    for mutant in mutants() {
        let observed = observed_on(mutant);
        let causes = likely_causes(KeyValue::CONTRACT, &observed);
        // Some mutants fail only cases that need a server.
        let named =
            causes.first().map_or(observed.failed.is_empty(), |cause| cause.mutant.name == mutant.name);
        // Some mutants have the same failures, and nothing can tell them apart.
        let alike = |cause: &Cause| observed_on(cause.mutant).failed == observed.failed;
        if !named && !causes.first().is_some_and(alike) {
            others.push(format!("{}: {:?}", mutant.name, causes.first().map(|cause| cause.mutant.name)));
        }
    }
    assert!(others.is_empty(), "another mutant is named first:\n{}", others.join("\n"));
}

#[test]
fn failures_that_fit_no_mutant_have_no_cause() {
    let mut observed = observed_on(mutants().next().expect("there are mutants"));
    let unknown: Fingerprint = "7:0000:0000".parse().expect("a fingerprint");
    observed.failed.values_mut().for_each(|how| *how = unknown);
    assert_eq!(likely_causes(KeyValue::CONTRACT, &observed), Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_mutants_at_once_are_both_named() {
    // Some pairs make a case wait for ever.
    let settings = Settings { timeout: Duration::from_secs(10), ..Settings::default() };
    let found = pairs::<KeyValue>(&Selftest { settings, ..Selftest::default() }, 20).await;
    let named = Named::of(KeyValue::CONTRACT, &found);
    // Of 500 pairs, 94 % are named; some hide each other.
    assert!(named.pairs == 20 && named.both >= 16, "{named:?}");
}

#[test]
fn the_recorded_matrix_covers_every_case_and_every_mutant() {
    let stale = kill_matrix().stale::<KeyValue>();
    assert!(stale.is_empty(), "run this test with {WRITE}=1:\n{}", stale.join("\n"));
}

#[test]
fn a_matrix_of_another_suite_is_stale_in_each_respect() {
    let text = r#"{"cases": ["put::gone"], "kills": {"Gone": {"put::gone": "1:0000:0000"}}}"#;
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

#[test]
fn each_number_of_the_table_of_rules_is_that_of_the_cases_it_leads_to_and_each_mutant_has_an_entry() {
    let page = matrix_markdown::<KeyValue>(kill_matrix());
    let table = page.split("<div class=\"matrix\">").nth(1).unwrap().split("</div>").next().unwrap();
    let mut cells = 0;
    for row in table.lines().filter(|line| line.starts_with("| [")) {
        let (rule, _) = row["| [".len()..].split_once(']').unwrap();
        let cases = page.split(&format!("\n### {rule}\n")).nth(1).unwrap().split("\n##").next().unwrap();
        let numbers: Vec<_> = row.split('|').filter_map(cell).collect();
        for (number, anchor) in &numbers {
            // A number of all cases leads to the section of the rule.
            let group = anchor.split_once('.').map_or_else(String::new, |(_, group)| format!("{group}::"));
            let listed =
                cases.lines().filter(|line| line.contains(&format!("`{group}")) && line.starts_with("- "));
            assert_eq!(listed.count(), *number, "{anchor}");
            assert!(
                group.is_empty() || page.matches(&format!("<a id=\"{anchor}\">")).count() == 1,
                "{anchor}"
            );
        }
        let (all, groups) = numbers.split_first().unwrap();
        assert_eq!(all.0, groups.iter().map(|(number, _)| number).sum::<usize>(), "{rule}");
        cells += groups.len();
    }
    assert!(cells > 200, "only {cells} cells");
    for mutant in (KeyValue::CONTRACT.mutants)() {
        let entries = page.matches(&format!("- <a id=\"{}\"></a>", mutant.name)).count();
        assert_eq!(entries, 1, "{}", mutant.name);
    }
}

/// The number and the anchor of a cell such as ` [3](#PUT-1.put) `.
fn cell(text: &str) -> Option<(usize, &str)> {
    let (number, anchor) = text.trim().strip_prefix('[')?.strip_suffix(')')?.split_once("](#")?;
    Some((number.parse().ok()?, anchor))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn write(matrix: &KillMatrix) {
    std::fs::write(root().join("kill-matrix.json"), matrix.to_json()).expect("the data can be written");
    std::fs::write(root().join("../docs/conformance-matrix.md"), matrix_markdown::<KeyValue>(matrix))
        .expect("the page can be written");
}
