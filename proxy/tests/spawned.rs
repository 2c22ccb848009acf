//! The suite against the binary, like `prism-conformance run --spawn`: many concurrent cases on one server, and separate
//! servers for the cases that stop or kill theirs.

use std::num::NonZero;
use std::sync::Arc;

use prism_conformance::keyvalue::wire::Spawn;
use prism_conformance::report::summary;
use prism_conformance::run::{self, suite};
use prism_conformance::wire::Options;

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_passes_the_suite_with_concurrent_cases() {
    let command = format!("'{}' serve", env!("CARGO_BIN_EXE_prism"));
    let prism = Spawn::start("prism", &command, Options::new("http://"), false).await.unwrap();
    let options = run::Options { jobs: NonZero::new(8).unwrap(), ..run::Options::default() };
    let report = suite(Arc::new(prism), &options).await;
    assert_eq!(report.exit_code, 0, "{}", summary(&report));
    assert!(report.counts.passed > 340, "{}", report.counts.line());
}
