//! The scenarios and properties of TimeSeries on the reference backend: the scenarios write the golden files (`cargo insta`) and
//! agree with the model; a property finds a fault, shrinks it, saves it and replays it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use prism_conformance::property::replay;
use prism_conformance::run::{CaseResult, Settings, Verdict, run_case};
use prism_conformance::timeseries::mutants::{harness, mutant_by_name, sound, sound_core};
use prism_conformance::timeseries::op::{Op, parse_all};
use prism_conformance::timeseries::policies::KEPT;
use prism_conformance::timeseries::property::{Mix, Regression, Weights, operations};
use prism_conformance::timeseries::{Ctx, TimeSeries, cases, property, scenario};
use prism_conformance::{Budget, Harness, Kind, Mode};
use proptest::prelude::*;

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/timeseries").join(folder)
}

fn names(folder: &str, name: impl Fn(&Path) -> String) -> BTreeSet<String> {
    let files = std::fs::read_dir(fixtures(folder)).unwrap();
    files.map(|file| name(&file.unwrap().path())).collect()
}

async fn ctx(harness: &dyn Harness<TimeSeries>) -> Ctx {
    let instance = harness.open().await.unwrap();
    Ctx::new(instance, "test".to_owned(), Mode::InProcess, Budget::Quick, 1)
        .offering(harness.capabilities(), harness.abilities())
}

#[tokio::test]
async fn each_scenario_has_one_golden_transcript() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../fixtures/timeseries/transcripts");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for scenario in scenario::all() {
        let ctx = ctx(&sound()).await;
        let transcript = scenario::run(&ctx, scenario.story).await;
        let transcript = transcript.unwrap_or_else(|stop| panic!("{}: {stop:?}", scenario.name));
        settings.bind(|| insta::assert_snapshot!(scenario.name, transcript));
    }
}

#[tokio::test]
async fn each_scenario_agrees_with_the_model() {
    for scenario in scenario::all() {
        let ctx = ctx(&sound()).await;
        let ops = parse_all(scenario.story).unwrap();
        if let Err(stop) = property::play(&ctx, &ops).await {
            panic!("{}: {stop:?}\n{}", scenario.name, ctx.take_transcript().render(None));
        }
    }
}

#[tokio::test]
async fn a_scenario_diverges_at_the_first_line_that_differs() {
    let mutant = mutant_by_name("DropsContentType").unwrap();
    let case = cases::by_id("scenario::a_day_of_a_sensor").unwrap();
    let result = run_case(&harness(mutant), case, Settings::default()).await;
    let Verdict::Failed(divergence) = result.verdict else { panic!("{:?}", result.verdict) };
    assert_eq!(divergence.step, Some(6));
    assert_eq!(
        divergence.expected,
        r#"2024-01-01T06:00:00.000000Z "06"="11.5" type "text/plain" #door="shut" #unit="C""#
    );
    assert_eq!(divergence.actual, r#"2024-01-01T06:00:00.000000Z "06"="11.5" #door="shut" #unit="C""#);
}

#[test]
fn each_file_belongs_to_a_scenario_and_each_scenario_starts_with_its_title() {
    let known: BTreeSet<_> = scenario::all().iter().map(|scenario| scenario.name.to_owned()).collect();
    for folder in ["scenarios", "transcripts"] {
        let stem = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
        assert_eq!(names(folder, stem), known, "{folder}");
    }
    for scenario in scenario::all() {
        let case = cases::by_id(&format!("scenario::{}", scenario.name)).unwrap();
        assert_eq!(case.kind, Kind::Scenario);
        assert_eq!(scenario.story.lines().next(), Some(format!("# {}", case.title).as_str()));
    }
}

const EVERYTHING: Mix = Mix {
    policy: KEPT,
    spaces: &["", "b", "-1"],
    series: &["s", "é", "a \"b\"", "from"],
    minutes: &[-90, -1, 0, 61],
    advances: &[1, 90],
    weights: Weights {
        append: 9,
        query: 9,
        tail: 9,
        list: 3,
        histogram: 3,
        delete: 3,
        advance: 2,
        sweep: 1,
        restart: 2,
    },
    pages: 0.5,
    length: (1, 30),
};

proptest! {
    #[test]
    fn every_operation_round_trips_through_text_and_json(ops in operations(EVERYTHING)) {
        for op in ops {
            let line = op.to_string();
            prop_assert!(!line.contains('\n'), "{line}");
            prop_assert_eq!(line.parse::<Op>(), Ok(op.clone()), "{}", line);
            let json = serde_json::to_string(&op).unwrap();
            prop_assert_eq!(serde_json::from_str::<Op>(&json).unwrap(), op);
        }
    }
}

#[test]
fn handwritten_lines_round_trip() {
    for line in [
        r#"append $free-ns "s" +1h30m "a"="\xff" type "t" #k="v" #l="", "t" now-1us "b"="""#,
        r#"query $kept-nsb "s" from -5m to now+1ms #k="v" reverse without payload page of 1 bytes limit 2 cut 3 next"#,
        r#"tail $free-ns #k="v" without payload after 2"#,
        r#"tail $free-ns "s" from now"#,
        r#"list $past-ns prefix "p" limit 1 next"#,
        r#"histogram $exact-ns "s" from +0s to +1s2us bucket 1ms #k="v""#,
        r#"delete $free-ns "s" all"#,
        r#"delete $free-ns "s" to +1h"#,
        "advance 1h1us",
        "sweep",
        "restart crash",
    ] {
        assert_eq!(line.parse::<Op>().map(|op| op.to_string()), Ok(line.to_owned()));
    }
}

#[test]
fn a_line_that_is_not_an_operation_is_refused_with_its_fault() {
    for (line, why) in [
        ("fetch", "'fetch' is not an operation"),
        ("query $ns \"s\"", "'$ns' is not a namespace; $free-ns is one"),
        ("append $free-ns \"s\" 5m \"a\"=\"b\"", "'5m' is not a time; +1h and now-5m are"),
        ("advance 5", "'5' is not a span; 1h30m is one"),
        ("tail $free-ns \"s\"", "a Tail without 'from' or 'after'"),
        ("delete $free-ns \"s\"", "a delete has either 'all' or a bound"),
        ("sweep all", "unexpected 'all'"),
    ] {
        let error = line.parse::<Op>().unwrap_err().to_string();
        assert_eq!(error, format!("{why} in: {line}"));
    }
}

fn explained(result: &CaseResult<TimeSeries>) -> String {
    format!("{}: {:?}\n{}", result.case.id, result.verdict, result.transcript.render(None))
}

#[tokio::test]
async fn stores_with_every_capability_and_with_none_pass_every_property() {
    let mut passed = 0;
    for harness in [sound(), sound_core()] {
        for case in cases::all().filter(|case| case.kind == Kind::Property) {
            let result = run_case(&harness, case, Settings::default()).await;
            match result.verdict {
                Verdict::Passed => passed += 1,
                Verdict::Skipped(_) => {}
                Verdict::Failed(_) | Verdict::Inconclusive(_) | Verdict::Broken(_) => {
                    panic!("{}", explained(&result))
                }
            }
        }
    }
    assert_eq!(passed, 9, "one property needs DELETE");
}

#[tokio::test]
async fn a_fault_is_found_shrunk_saved_and_replayed() {
    let faulty = harness(mutant_by_name("DeleteStartExclusive").unwrap());
    let case = cases::by_id("property::operations_agree_with_the_model").unwrap();
    let result = run_case(&faulty, case, Settings::default()).await;
    let Verdict::Failed(divergence) = &result.verdict else { panic!("{}", explained(&result)) };

    let regression = Regression::of(&result).expect("a failed property has a regression");
    assert_eq!(regression.operations.len(), 2, "append and delete: {:?}", regression.operations);
    assert_eq!(divergence.step, Some(1), "it ends where it diverges");

    let folder = tempfile::tempdir().unwrap();
    let saved = std::fs::read_to_string(regression.save(folder.path()).unwrap()).unwrap();
    let saved = Regression::from_json(&saved).unwrap();
    let replayed = replay::<TimeSeries>(&faulty, &saved, Settings::default()).await;
    assert_eq!(replayed.case.id, regression.case);
    let Verdict::Failed(again) = &replayed.verdict else { panic!("{}", explained(&replayed)) };
    assert_eq!((again.step, &again.expected), (divergence.step, &divergence.expected));
    let sound = replay::<TimeSeries>(&sound(), &saved, Settings::default()).await;
    assert_eq!(sound.verdict, Verdict::Passed);
}

#[test]
fn each_committed_regression_is_embedded_in_the_suite() {
    let file_name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let embedded: BTreeSet<_> = property::committed().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(embedded, names("regressions", file_name));
    assert!(!embedded.is_empty(), "there is at least one regression to replay");
}
