//! The TimeSeries suite against the contract's reference backend.

use prism_contract::timeseries::Memory;

prism_conformance::timeseries_conformance!("memory" => || async { Ok(Memory::default()) });
