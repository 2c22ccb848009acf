//! Numbers of partitions that are not those of the first Append: refused when the server starts, and on SIGHUP.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::reload::{configured, hangup};
use crate::{Serving, prism, run, stderr};

/// Two TimeSeries namespaces by prefix, with these numbers of partitions.
fn rules(metrics: u32, traces: u32) -> String {
    format!(
        "namespaces:\n  rules:\n  - {{match: metrics-*, abstraction: timeseries, partitions: {metrics}}}\n  \
         - {{match: traces-*, abstraction: timeseries, partitions: {traces}}}\n"
    )
}

/// Appends an event.
fn append(folder: &Path, serving: &Serving, namespace: &str) {
    let endpoint = format!("http://{}", serving.address);
    let appended =
        run(prism(folder).args(["ts", "append", namespace, "s", "--payload", "x", "--endpoint", &endpoint]));
    assert_eq!(appended.status.code(), Some(0), "{}", stderr(&appended));
}

const PROBLEM: &str = "the namespace metrics-cpu has 4 partitions since its first Append, and 6 in its definition: set \
                       `partitions: 4` in its rule";

#[test]
fn another_number_of_partitions_is_refused_at_the_start_and_on_sighup() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let mut serving = Serving::start(&mut configured(folder, &rules(4, 8)));
    append(folder, &serving, "metrics-cpu");
    fs::write(folder.join("prism.yaml"), rules(6, 8)).unwrap();
    let line = hangup(&mut serving);
    assert!(line.contains("the configuration is as before") && line.contains(PROBLEM), "{line}");
    // No namespace of this rule is in use.
    fs::write(folder.join("prism.yaml"), rules(4, 5)).unwrap();
    assert!(hangup(&mut serving).contains("the configuration is loaded"));
    append(folder, &serving, "metrics-cpu");
    serving.signal("-TERM");
    assert_eq!(serving.wait().code(), Some(0));

    let refused = run(&mut configured(folder, &rules(6, 8)));
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains(PROBLEM), "{}", stderr(&refused));
    let mut serving = Serving::start(&mut configured(folder, &rules(4, 8)));
    serving.signal("-TERM");
    assert_eq!(serving.wait().code(), Some(0));
}

/// Without a default backend there is no control plane, which checks the definitions otherwise.
#[test]
fn another_number_of_partitions_is_refused_without_a_control_plane_too() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let with_backends = |metrics| {
        let rules = rules(metrics, 8).replace("partitions:", "backend: a, partitions:");
        let rules = rules.replace("  rules:", "  undeclared: refuse\n  rules:");
        format!("backends:\n  a: {{type: sqlite, path: a.db}}\n  b: {{type: memory}}\n{rules}")
    };
    let mut serving = Serving::start(&mut configured(folder, &with_backends(4)));
    append(folder, &serving, "metrics-cpu");
    serving.signal("-TERM");
    assert_eq!(serving.wait().code(), Some(0));
    let refused = run(&mut configured(folder, &with_backends(6)));
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains(&format!("backend a: {PROBLEM}")), "{}", stderr(&refused));
}
