//! The properties held against the reference backend: model and memory agree, and much happened meanwhile.

use prism_conformance::run::{Settings, Verdict, run_case};
use prism_conformance::{InProcess, Kind, OpenError, cases};
use prism_contract::keyvalue::Memory;

#[tokio::test]
async fn the_reference_backend_agrees_with_the_model() {
    let harness = InProcess::new("memory", || async { Ok::<_, OpenError>(Memory::default()) });
    for case in cases::all().filter(|case| case.kind == Kind::Property) {
        let result = run_case(&harness, case, Settings::default()).await;
        if !matches!(result.verdict, Verdict::Passed | Verdict::Skipped(_)) {
            let divergence = match &result.verdict {
                Verdict::Failed(d) => Some(d),
                _ => None,
            };
            panic!("{}: {:?}\n{}", case.id, result.verdict, result.transcript.render(divergence));
        }
    }
}
