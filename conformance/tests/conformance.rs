//! The suite against the contract's own reference backend, in process and, with the feature `cli`, through a socket.

use prism_contract::keyvalue::Memory;

#[cfg(not(feature = "cli"))]
prism_conformance::conformance!("memory" => || async { Ok(Memory::default()) });

#[cfg(feature = "cli")]
prism_conformance::conformance!(
    "memory" => || async { Ok(Memory::default()) },
    prism_conformance::wire::OverGrpc::new(prism_conformance::InProcess::new("memory", || async {
        Ok(Memory::default())
    })),
);
