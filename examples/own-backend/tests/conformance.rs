//! Holds the shelf against the whole contract.

use own_backend::Shelf;
use prism_conformance::keyvalue::InProcess;
use prism_contract::keyvalue::Capabilities;

prism_conformance::conformance!(
    InProcess::new("shelf", || async { Ok(Shelf::default()) }).claiming(Capabilities::NONE)
);
