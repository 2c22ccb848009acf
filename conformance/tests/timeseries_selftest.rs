//! Mutation testing of the TimeSeries suite: every mutant is caught, by a case that cites a rule it breaks.

use std::collections::BTreeSet;
use std::path::Path;

use prism_conformance::Abstraction;
use prism_conformance::mutation::{
    Depth, KillMatrix, Problem, Selftest, gate, likely_causes, matrix, matrix_markdown,
};
use prism_conformance::run::{Settings, Verdict, run_case};
use prism_conformance::timeseries::mutants::{kill_matrix, mutants};
use prism_conformance::timeseries::{Case, TimeSeries, cases};
use prism_contract::Scope;
use prism_contract::timeseries::requirements;

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
        let text = KillMatrix::of(&matrix, &all_cases()).to_json();
        std::fs::write(recorded(), text).expect("the data can be written");
    }
    let problems: Vec<_> = gate(&matrix).iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_cases_every_mutant_survives() {
    let matrix = matrix::<TimeSeries>(&[], &Selftest::default(), |_| true).await;
    let survivors =
        gate(&matrix).into_iter().filter(|problem| matches!(problem, Problem::Survives(_))).count();
    assert_eq!(survivors, matrix.rows.len());
    assert!(survivors >= 40, "only {survivors} mutants");
}

#[tokio::test(flavor = "multi_thread")]
async fn random_operations_find_flaws_of_every_method() {
    let of_operations = [
        "OverwritesTheFirstContent",
        "DuplicatesAreNew",
        "ReversesAnAppend",
        "EndInclusive",
        "ReverseKeepsTheOrderOfIds",
        "SkipsTheRestOfAMoment",
        "TailTokenIsTheBeginning",
        "TailGoesByTime",
        "TailRepeatsAnEventOnResume",
        "DeletionExpiresTokens",
        "DeleteStartExclusive",
        "DeletedEventsCannotComeBack",
    ];
    let of_retention = [
        "WindowEndsATickLate",
        "NeverExpiresATailToken",
        "BeginningExpires",
        "ExpiresATickEarly",
        "SweepsTheWholeSeries",
    ];
    random_operations_find("property::operations_agree_with_the_model", &of_operations).await;
    random_operations_find("property::events_live_for_their_retention", &of_retention).await;
}

/// The case fails on each of these mutants, with few steps.
async fn random_operations_find(case: &str, flaws: &[&str]) {
    let case = cases::by_id(case).expect("a case of the suite");
    for name in flaws {
        let mutant = mutants().find(|mutant| mutant.name == *name).expect("a mutant of the catalogue");
        let result = run_case(&*TimeSeries::flawed(mutant), case, Settings::default()).await;
        assert!(matches!(result.verdict, Verdict::Failed(_)), "{name}: {:?}", result.verdict);
        // Shrunk: what is left fits a screen.
        assert!(result.transcript.steps.len() <= 20, "{name}: {} steps", result.transcript.steps.len());
    }
}

#[test]
fn the_recorded_matrix_covers_every_case_and_every_mutant() {
    let stale = kill_matrix().stale::<TimeSeries>();
    assert!(stale.is_empty(), "run this test with {WRITE}=1:\n{}", stale.join("\n"));
}

#[test]
fn a_matrix_is_read_back_from_its_file_as_it_was() {
    let text = std::fs::read_to_string(recorded()).unwrap();
    assert_eq!(KillMatrix::from_json(&text).unwrap().to_json(), text);
}

#[test]
fn the_page_of_the_matrix_has_an_entry_for_each_mutant() {
    let page = matrix_markdown::<TimeSeries>(kill_matrix());
    for mutant in mutants() {
        assert_eq!(page.matches(&format!("- <a id=\"{}\"></a>", mutant.name)).count(), 1, "{}", mutant.name);
    }
}

#[test]
fn failures_of_no_mutant_have_no_cause() {
    assert_eq!(
        likely_causes(TimeSeries::CONTRACT, &prism_conformance::mutation::Observed::default()),
        Vec::new()
    );
}

#[test]
fn every_case_has_a_unique_id_and_cites_existing_rules() {
    let rules: BTreeSet<_> = requirements().iter().map(|rule| rule.id.as_str()).collect();
    let mut seen = BTreeSet::new();
    for case in cases::all() {
        assert!(seen.insert(case.id), "{} is not unique", case.id);
        assert!(case.title.ends_with('.'), "{}: its title is not a sentence", case.id);
        assert!(!case.proves.is_empty(), "{} proves nothing", case.id);
        for rule in case.proves {
            assert!(rules.contains(rule), "{} cites {rule}, which is not a rule", case.id);
        }
    }
}

#[test]
fn every_rule_that_a_store_shows_is_cited_by_a_case() {
    let cited: BTreeSet<_> = cases::all().flat_map(|case| case.proves).copied().collect();
    let missing: Vec<_> = requirements()
        .iter()
        .filter(|rule| rule.untestable.is_none() && rule.scope == Scope::Store)
        .filter(|rule| !cited.contains(rule.id.as_str()))
        .map(|rule| rule.id.as_str())
        .collect();
    assert!(missing.is_empty(), "no case cites {}", missing.join(", "));
}

fn recorded() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/timeseries/mutants/kill-matrix.json")
}
