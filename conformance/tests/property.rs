//! The properties on the reference backend: the model agrees with it, much happens meanwhile, and what a fault makes is
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
use support::{RunningClock, claiming, ctx, faulty, memory};

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
async fn the_reference_backend_keeps_every_property() {
    all_pass(&memory()).await;
}

#[tokio::test]
async fn a_store_on_a_clock_that_runs_keeps_what_can_be_asked_of_it() {
    all_pass(&RunningClock::over(memory())).await;
}

#[tokio::test]
async fn a_store_that_claims_less_is_asked_for_less() {
    all_pass(&claiming(Capabilities::NONE)).await;
    all_pass(&claiming(Capabilities::NONE.with(Capability::Expiry))).await;
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
    assert!(superseded > 1_000, "tokens met only {superseded} times");
}

/// A fault that only a second item with a token shows.
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

    let regression = Regression::of(&result).expect("a failed property leaves a regression behind");
    assert!(regression.operations.len() <= 3, "shrunk to few operations: {:?}", regression.operations);
    assert_eq!(
        result.transcript.steps.len(),
        regression.operations.len(),
        "the transcript is the shrunk run's"
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
fn a_regression_is_saved_as_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    for (_, regression) in property::committed() {
        let path = regression.save(dir.path()).unwrap();
        let json = std::fs::read_to_string(&path).unwrap();
        assert_eq!(Regression::from_json(&json).as_ref(), Ok(&regression));
    }
    let broken = r#"{"case": "c", "seed": 1, "note": "", "operations": ["fetch"]}"#;
    let why = Regression::from_json(broken).unwrap_err();
    assert!(why.starts_with("'fetch' is no operation in: fetch"), "{why}");
}

#[test]
fn each_committed_regression_is_carried_by_the_suite() {
    let files = std::fs::read_dir(Path::new(REGRESSIONS)).unwrap();
    let files: BTreeSet<_> =
        files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
    let carried: BTreeSet<_> = property::committed().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(carried, files);
    assert!(!carried.is_empty(), "a store is replayed what others once got wrong");
}
