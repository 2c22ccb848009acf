//! The example cases against the reference backend: with all capabilities, one, or none.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prism_conformance::keyvalue::{InProcess, KeyValue, Need, cases};
use prism_conformance::run::{Obstacle, Settings, Verdict, run_case};
use prism_conformance::{Ability, Harness, Kind, OpenError};
use prism_contract::keyvalue::requirements;
use prism_contract::keyvalue::{Capabilities, Capability, KeyValueBackend, Memory};
use prism_contract::{Lifecycle, Namespace, forward};

/// The reference backend with other capabilities, and with data that outlives a restart.
struct WithCapabilities(Capabilities, Arc<Memory>);

impl Lifecycle for WithCapabilities {
    forward!(Lifecycle: self => self.1, [check, sweep, close]);
}

#[async_trait]
impl KeyValueBackend for WithCapabilities {
    forward!(KeyValueBackend: self => self.1, [put, get, delete, scan]);

    fn capabilities(&self, _: &Namespace) -> Capabilities {
        self.0
    }
}

/// Runs the examples and returns the failures, and the cases skipped for lack of an ability.
async fn run_all(harness: &dyn Harness<KeyValue>) -> (Vec<String>, Vec<&'static str>) {
    let (mut wrong, mut unable) = (Vec::new(), Vec::new());
    for case in cases::all().filter(|case| case.kind == Kind::Example) {
        let result = run_case(harness, case, Settings::default()).await;
        match &result.verdict {
            Verdict::Passed => {}
            Verdict::Skipped(Obstacle::Unable { .. }) => unable.push(case.id),
            Verdict::Skipped(why) if why.is_not_applicable() => {}
            Verdict::Failed(divergence) => {
                wrong.push(format!("{}\n{}", case.id, result.transcript.render(Some(divergence))));
            }
            other => wrong.push(format!("{}: {other:?}", case.id)),
        }
        if result.elapsed > Duration::from_secs(1) {
            wrong.push(format!("{} took {:?}", case.id, result.elapsed));
        }
    }
    (wrong, unable)
}

/// A harness whose stores outlive a restart: the disk is an `Arc`.
fn durable(name: &str, capabilities: Capabilities) -> InProcess<Memory, WithCapabilities> {
    // A storage location must be the same each time one store is opened, so it is the memory itself.
    let location = || Ok(Memory::default());
    let open =
        move |disk: Arc<Memory>| async move { Ok::<_, OpenError>(WithCapabilities(capabilities, disk)) };
    InProcess::durable(name, location, open).with_capabilities(capabilities)
}

#[tokio::test]
async fn the_reference_backend_passes_every_case() {
    let (wrong, unable) = run_all(&durable("memory", Capabilities::ALL)).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let missing = [Ability::Outage, Ability::Gateways, Ability::Settings];
    for id in unable {
        let needs = cases::by_id(id).expect("an id of the suite").needs;
        let explained = missing.iter().any(|ability| needs.contains(&Need::Ability(*ability)));
        assert!(explained, "{id} was skipped: {needs:?}");
    }
}

#[tokio::test]
async fn the_reference_backend_without_capabilities_passes_every_case() {
    let (wrong, _) = run_all(&durable("core", Capabilities::NONE)).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test]
async fn the_reference_backend_with_any_single_capability_passes_every_case() {
    for capability in Capability::ALL {
        let (wrong, _) = run_all(&durable(capability.name(), Capabilities::NONE.with(capability))).await;
        assert!(wrong.is_empty(), "with {capability} alone: {}", wrong.join("\n\n"));
    }
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
fn every_testable_rule_is_cited_by_a_case() {
    let cited: BTreeSet<_> = cases::all().flat_map(|case| case.proves).copied().collect();
    let missing: Vec<_> = requirements()
        .iter()
        .filter(|rule| rule.untestable.is_none() && !cited.contains(rule.id.as_str()))
        .map(|rule| rule.id.as_str())
        .collect();
    assert!(missing.is_empty(), "no case cites {}", missing.join(", "));
}
