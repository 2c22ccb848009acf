//! The metrics that docs/operating.md lists, and those that the dashboard and the alerts use, are those of the page.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;

use super::page::Page;

const TYPES: [&str; 3] = ["counter", "gauge", "histogram"];

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

fn names(text: &str, pattern: &str) -> BTreeSet<String> {
    Regex::new(pattern).unwrap().find_iter(text).map(|name| name.as_str().to_owned()).collect()
}

/// Compares a page that has all families but these gauges.
pub(super) fn check(page: &Page, other: &[&str]) {
    let manual = read("docs/operating.md");
    let kind = |name: &str| {
        let on_page = page.families.get(name).map(String::as_str);
        on_page.or(other.contains(&name).then_some("gauge"))
    };
    let mut listed = names(&manual, "`process_[a-z_]+`");
    for row in manual.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>()) {
        if row.len() == 6 && TYPES.contains(&row[2]) {
            let of_row = names(row[1], "`[a-z_]+`");
            for name in &of_row {
                assert_eq!(kind(name.trim_matches('`')), Some(row[2]), "{name} in docs/operating.md");
            }
            listed.extend(of_row);
        }
    }
    for name in page.families.keys() {
        assert!(listed.contains(&format!("`{name}`")), "{name} is not in the table of docs/operating.md");
    }
    let series = page.names();
    for file in ["docs/deploy/grafana-dashboard.json", "docs/deploy/prometheus-alerts.yaml"] {
        let used = names(&read(file), r"\b(prism|process|grpc_server)_[a-z_]+");
        assert!(used.len() > 10, "{used:?}");
        for name in used {
            let is_series = series.contains(&name) || other.contains(&name.as_str());
            assert!(is_series, "{file} uses {name}, which is not on the page");
        }
    }
    let alerts = Regex::new(r"alert: (\w+)").unwrap();
    for alert in alerts.captures_iter(&read("docs/deploy/prometheus-alerts.yaml")) {
        let heading = format!("\n### {}\n", &alert[1]);
        assert!(manual.contains(&heading), "docs/operating.md does not explain {}", &alert[1]);
    }
}
