//! The scenarios on the reference backend: they write the golden files (`cargo insta`), agree with the model, and pass on
//! a running clock as well as on a manual one.

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use prism_conformance::keyvalue::{Ctx, cases, op, property, scenario};
use prism_conformance::run::{Settings, Verdict, run_case};
use prism_conformance::{Harness, Kind};
use support::{RunningClock, ctx, memory};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures");

async fn transcript(ctx: &Ctx, story: &str) -> String {
    match scenario::run(ctx, story).await {
        Ok(transcript) => transcript,
        Err(stop) => panic!("{stop:?}\n{}", ctx.take_transcript().render(None)),
    }
}

#[tokio::test]
async fn each_scenario_has_one_golden_transcript() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../fixtures/transcripts");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for scenario in scenario::all() {
        let transcript = transcript(&ctx(&memory()).await, scenario.story).await;
        settings.bind(|| insta::assert_snapshot!(scenario.name, transcript));
    }
}

#[tokio::test]
async fn each_scenario_agrees_with_the_model() {
    for scenario in scenario::all() {
        let ctx = ctx(&memory()).await;
        let ops = op::parse_all(scenario.story).unwrap();
        if let Err(stop) = property::play(&ctx, &ops).await {
            panic!("{}: {stop:?}\n{}", scenario.name, ctx.take_transcript().render(None));
        }
    }
}

#[tokio::test]
async fn each_transcript_is_the_same_on_a_running_clock() {
    let harness = RunningClock::over(memory());
    for scenario in scenario::all() {
        let transcript = transcript(&ctx(&harness).await, scenario.story).await;
        assert_eq!(transcript.trim_end(), scenario.expected(), "{}", scenario.name);
    }
}

#[tokio::test]
async fn each_scenario_is_a_case_that_passes() {
    let harness = memory();
    let mut ran = 0;
    for case in cases::all().filter(|case| case.kind == Kind::Scenario) {
        let result = run_case(&harness, case, Settings::default()).await;
        assert_eq!(result.verdict, Verdict::Passed, "{}", case.id);
        ran += 1;
    }
    assert_eq!(ran, scenario::all().len());
}

#[test]
fn each_file_belongs_to_a_scenario_and_each_scenario_starts_with_its_title() {
    let names: BTreeSet<_> = scenario::all().iter().map(|scenario| scenario.name.to_owned()).collect();
    for folder in ["scenarios", "transcripts"] {
        let files = std::fs::read_dir(Path::new(FIXTURES).join(folder)).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let stems = files.map(|file| file.file_stem().unwrap().to_string_lossy().into_owned());
        assert_eq!(stems.collect::<BTreeSet<_>>(), names, "{folder}");
    }
    for scenario in scenario::all() {
        let case = cases::by_id(&format!("scenario::{}", scenario.name)).unwrap();
        assert_eq!(scenario.story.lines().next(), Some(format!("# {}", case.title).as_str()));
    }
}

#[tokio::test]
async fn a_divergence_has_the_first_differing_line_and_its_step() {
    let harness = support::forgetting_content_types();
    let case = cases::by_id("scenario::metadata_and_empty_values").unwrap();
    let result = run_case(&harness, case, Settings::default()).await;
    let Verdict::Failed(divergence) = result.verdict else { panic!("{:?}", result.verdict) };
    assert_eq!(divergence.step, Some(3));
    assert!(divergence.expected.contains("type \"application/json\""), "{}", divergence.expected);
    assert!(!divergence.actual.contains("type \"application/json\""), "{}", divergence.actual);
    assert_eq!(harness.name(), "forgetting");
}
