//! The suite against the binary itself, as `prism-conformance run --spawn` has it: many cases at once on one server, and
//! those that stop or kill it on servers of their own.

use std::num::NonZero;
use std::sync::Arc;

use prism_conformance::keyvalue::wire::Spawn;
use prism_conformance::report::summary;
use prism_conformance::run::{self, suite};
use prism_conformance::wire::Options;

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_passes_the_suite_and_no_case_disturbs_another() {
    let command = format!("'{}' serve", env!("CARGO_BIN_EXE_prism"));
    let prism = Spawn::start("prism", &command, Options::new("http://"), false).await.unwrap();
    let options = run::Options { jobs: NonZero::new(8).unwrap(), ..run::Options::default() };
    let report = suite(Arc::new(prism), &options).await;
    assert_eq!(report.exit_code, 0, "{}", summary(&report));
    assert!(report.counts.passed > 340, "{}", report.counts.line());
}
