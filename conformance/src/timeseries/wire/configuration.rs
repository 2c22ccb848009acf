//! Whether a server's namespaces have the policies of the suite.

use crate::core::wire::{Configuration, Connection, Remote};
use crate::core::{Abilities, Ability, Failure, StatusCode};
use crate::timeseries::TimeSeries;
use crate::timeseries::policies::{POLICIES, policy_text};

/// Reads the policy of a namespace under each prefix of [`POLICIES`], and compares it.
pub(super) async fn read(connection: &Connection) -> Result<Configuration, Failure> {
    for suite in POLICIES {
        let namespace = format!("{}conformance", suite.prefix);
        let (is, needed) = match TimeSeries::describe(connection, &namespace).await {
            Ok(description) => (description.policy, suite.policy()),
            // A server with declared namespaces only may have none of this name.
            Err(failure) if failure.code == StatusCode::NotFound => {
                return Ok(missing(&format!("'{namespace}' is not served (NOT_FOUND)")));
            }
            Err(failure) => return Err(failure),
        };
        if (is.retention, is.window) != (needed.retention, needed.window) {
            return Ok(missing(&format!(
                "'{namespace}' has {}, and the case needs {}",
                policy_text(&is),
                policy_text(&needed)
            )));
        }
    }
    Ok(Configuration {
        abilities: Abilities::NONE.with(Ability::Policies).with(Ability::OpenWindows),
        missing: None,
    })
}

fn missing(why: &str) -> Configuration {
    let why = format!("{}: {why}; `explain policies` prints the configuration", Ability::Policies.missing());
    Configuration { abilities: Abilities::NONE, missing: Some((Ability::Policies, why)) }
}
