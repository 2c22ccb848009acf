//! Runs the conformance suite against the example backend.

use own_backend::OwnStore;
use prism_conformance::keyvalue::InProcess;
use prism_contract::keyvalue::Capabilities;

prism_conformance::conformance!(
    InProcess::new("own", || async { Ok(OwnStore::default()) }).with_capabilities(Capabilities::NONE)
);
