//! `explain policies`: the policies that the namespaces of a TimeSeries server need for all cases.

use std::time::Duration;

use prism_conformance::timeseries::policies::{POLICIES as ALL, SuitePolicy, policy_text};

use crate::OK;
use crate::output::print;

/// The id of this page.
pub(crate) const POLICIES: &str = "policies";

/// Prints the policies, and the configuration of Prism that has them.
pub(crate) fn explain() -> u8 {
    print(
        "The namespaces of the suite begin with these prefixes. Cases about a policy run on a server that has all of them:\n\n",
    );
    for policy in ALL {
        print(format_args!("  {:8} {}\n", format!("{}*", policy.prefix), policy_text(&policy.policy())));
    }
    print(
        "\nA server without them is tested with all other cases, under the policy that it has. For Prism:\n\n",
    );
    print(yaml());
    OK
}

/// The rules of a configuration file of Prism.
fn yaml() -> String {
    format!("namespaces:\n  rules:\n{}", ALL.iter().map(rule).collect::<String>())
}

fn rule(policy: &SuitePolicy) -> String {
    let SuitePolicy { prefix, retention, accept_past, accept_future } = *policy;
    let durations =
        [("retention", retention), ("accept_past", accept_past), ("accept_future", accept_future)];
    let line = |(name, of): (&str, Option<Duration>)| {
        of.map(|of| format!("      {name}: {}s\n", of.as_secs())).unwrap_or_default()
    };
    let durations: String = durations.into_iter().map(line).collect();
    format!("    - match: {prefix}*\n      abstraction: timeseries\n{durations}")
}
