//! The properties on the reference backend: it agrees with the model over many events, and the divergence of a fault is
//! found, shrunk, saved and replayed.

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use prism_conformance::keyvalue::model::Event;
use prism_conformance::keyvalue::property::{Mix, Regression, Weights};
use prism_conformance::keyvalue::{KeyValue, cases, property};
use prism_conformance::run::{CaseResult, Settings, Verdict, run_case};
use prism_conformance::{Harness, Kind};
use prism_contract::keyvalue::{Capabilities, Capability, Put};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use support::{RunningClock, ctx, declaring, faulty, memory};

const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/regressions");

fn explained(result: &CaseResult<KeyValue>) -> String {
    let divergence = match &result.verdict {
        Verdict::Failed(divergence) => Some(divergence),
        Verdict::Passed | Verdict::Inconclusive(_) | Verdict::Broken(_) | Verdict::Skipped(_) => None,
    };
    format!("{}: {:?}\n{}", result.case.id, result.verdict, result.transcript.render(divergence))
}

async fn all_pass(harness: &dyn Harness<KeyValue>) {
    for case in cases::all().filter(|case| case.kind == Kind::Property) {
        let result = run_case(harness, case, Settings::default()).await;
        assert!(matches!(result.verdict, Verdict::Passed | Verdict::Skipped(_)), "{}", explained(&result));
    }
}

#[tokio::test]
async fn the_reference_backend_passes_every_property() {
    all_pass(&memory()).await;
}

#[tokio::test]
async fn a_store_on_a_running_clock_passes_every_applicable_property() {
    all_pass(&RunningClock::over(memory())).await;
}

#[tokio::test]
async fn a_store_with_fewer_capabilities_passes_every_applicable_property() {
    all_pass(&declaring(Capabilities::NONE)).await;
    all_pass(&declaring(Capabilities::NONE.with(Capability::Expiry))).await;
}

#[tokio::test]
async fn the_model_and_the_reference_backend_agree_over_fifty_thousand_operations() {
    let mix = Mix {
        keys: &[b"a", b"a", b"b", b"A", b"\xff", b"a\x00"],
        spaces: &["", "", "b"],
        ids: &["r", "r", "ra"],
        weights: Weights {
            put: 40,
            get: 25,
            delete: 15,
            scan: 10,
            describe: 1,
            advance: 12,
            retention: 2,
            sweep: 3,
            restart: 1,
        },
        tokens: 0.4,
        ttls: 0.3,
        conditions: 0.3,
        pages: 0.4,
        length: (100, 200),
    };
    let (strategy, mut random) = (property::operations(mix), TestRunner::deterministic());
    let (mut played, mut superseded, ctx) = (0, 0, ctx(&memory()).await);
    while played < 50_000 {
        let ops = strategy.new_tree(&mut random).unwrap().current();
        ctx.fresh();
        let tally = property::play(&ctx, &ops).await;
        let tally = tally.unwrap_or_else(|stop| panic!("{stop:?}\n{}", ctx.take_transcript().render(None)));
        superseded += tally.count(Event::Superseded);
        played += ops.len();
    }
    assert!(superseded > 1_000, "only {superseded} superseded items");
}

/// A fault that is visible only in a Put with a token and a second item.
fn forgets_the_token_of_long_puts(mut put: Put) -> Put {
    if put.items.len() > 1 {
        put.token = 0;
    }
    put
}

#[tokio::test]
async fn a_fault_is_found_shrunk_and_replayed() {
    let harness = faulty("faulty", forgets_the_token_of_long_puts);
    let case = cases::by_id("property::tokens_outlive_their_items").unwrap();
    let result = run_case(&harness, case, Settings::default()).await;
    let Verdict::Failed(divergence) = &result.verdict else { panic!("{}", explained(&result)) };

    let regression = Regression::of(&result).expect("a failed property has a regression");
    assert!(regression.operations.len() <= 3, "shrunk to few operations: {:?}", regression.operations);
    assert_eq!(
        result.transcript.steps.len(),
        regression.operations.len(),
        "the transcript is that of the shrunk run"
    );
    assert_eq!(divergence.step, Some(regression.operations.len() - 1), "it ends where it diverges");
    assert!(divergence.expected.contains("TOK-1"), "it names the rule: {}", divergence.expected);

    let replayed = prism_conformance::property::replay(&harness, &regression, Settings::default()).await;
    assert!(matches!(replayed.verdict, Verdict::Failed(_)), "{}", explained(&replayed));
    assert_eq!(replayed.case.id, regression.case);
    let sound = prism_conformance::property::replay(&memory(), &regression, Settings::default()).await;
    assert_eq!(sound.verdict, Verdict::Passed);
}

#[tokio::test]
async fn the_same_seed_finds_the_same_operations() {
    let harness = faulty("faulty", forgets_the_token_of_long_puts);
    let case = cases::by_id("property::tokens_outlive_their_items").unwrap();
    let one = run_case(&harness, case, Settings::default()).await;
    let two = run_case(&harness, case, Settings::default()).await;
    assert_eq!(Regression::of(&one), Regression::of(&two));
}

#[test]
fn a_regression_round_trips_through_its_file() {
    let dir = tempfile::tempdir().unwrap();
    for (_, regression) in property::committed() {
        let path = regression.save(dir.path()).unwrap();
        let json = std::fs::read_to_string(&path).unwrap();
        assert_eq!(Regression::from_json(&json).as_ref(), Ok(&regression));
    }
    let broken = r#"{"case": "c", "seed": 1, "note": "", "operations": ["fetch"]}"#;
    let why = Regression::from_json(broken).unwrap_err();
    assert!(why.starts_with("'fetch' is not an operation in: fetch"), "{why}");
}

#[test]
fn each_committed_regression_is_embedded_in_the_suite() {
    let files = std::fs::read_dir(Path::new(REGRESSIONS)).unwrap();
    let files: BTreeSet<_> =
        files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
    let embedded: BTreeSet<_> = property::committed().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(embedded, files);
    assert!(!embedded.is_empty(), "there is at least one regression to replay");
}
