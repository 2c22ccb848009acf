//! Definitions as tables, text and JSON.

use std::time::Duration;

use anstyle::Style;
use prism_proto::control::v1::{Abstraction, Namespace, NamespaceStatus, Policy, RateLimit};
use serde_json::{Map, Value, json};

use crate::client::columns::Columns;
use crate::client::failure::Failure;
use crate::client::out::{Out, grouped};

/// A table of definitions, printed page by page.
pub(super) struct Table {
    columns: Columns<5>,
    rows: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { columns: Columns::new(["NAME", "STATUS", "BACKEND", "VERSION", "POLICY"]), rows: 0 }
    }
}

impl Table {
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(super) fn print(&mut self, namespaces: &[Namespace], out: &mut Out) -> Result<(), Failure> {
        let cells = |namespace: &Namespace| {
            let version =
                if namespace.r#static { "static".to_owned() } else { namespace.version.to_string() };
            let policy = policy(namespace).join(", ");
            [namespace.name.clone(), status(namespace).to_owned(), namespace.backend.clone(), version, policy]
        };
        let rows: Vec<_> = namespaces.iter().map(cells).collect();
        for row in &rows {
            self.columns.widen(row);
        }
        let palette = out.screen.palette;
        if self.rows == 0 && !rows.is_empty() {
            let line = self.columns.line(&self.columns.headings(), [palette.heading; 5], &[0, 1, 2, 3, 4]);
            out.line(&line)?;
        }
        let styles = [palette.key, Style::new(), palette.dim, palette.dim, palette.dim];
        for row in &rows {
            let shown: &[usize] = if row[4].is_empty() { &[0, 1, 2, 3] } else { &[0, 1, 2, 3, 4] };
            out.line(&self.columns.line(row, styles, shown))?;
        }
        self.rows += rows.len();
        out.flush()
    }
}

/// Prints one definition.
pub(super) fn one(namespace: &Namespace, as_json: bool, out: &mut Out) -> Result<(), Failure> {
    if as_json {
        return out.json(&to_json(namespace));
    }
    let heading = out.screen.palette.heading;
    let mut line = |name: &str, text: &str| out.line(&format!("{heading}{name:<11}{heading:#}{text}"));
    line("name", &namespace.name)?;
    line("status", status(namespace))?;
    line("backend", &namespace.backend)?;
    if namespace.r#static {
        line("version", "none: a rule of the configuration")?;
    } else {
        line("version", &namespace.version.to_string())?;
    }
    for (name, at) in [("created", &namespace.created_at), ("updated", &namespace.updated_at)] {
        if let Some(at) = at {
            line(name, &at.to_string())?;
        }
    }
    if !namespace.owners.is_empty() {
        line("owners", &namespace.owners.join(", "))?;
    }
    for (at, setting) in policy(namespace).iter().enumerate() {
        line(if at == 0 { "policy" } else { "" }, setting)?;
    }
    Ok(())
}

/// A change in a line.
pub(super) fn change(kind: &str, namespace: &Namespace) -> String {
    let mut parts = vec![namespace.version.to_string(), kind.to_owned(), namespace.name.clone()];
    parts.push(format!("{} on {}", status(namespace), namespace.backend));
    parts.extend(policy(namespace));
    parts.join("  ")
}

fn status(namespace: &Namespace) -> &'static str {
    match namespace.status() {
        NamespaceStatus::Unspecified => "unknown",
        NamespaceStatus::Provisioning => "provisioning",
        NamespaceStatus::Active => "active",
        NamespaceStatus::Degraded => "degraded",
        NamespaceStatus::Deleting => "deleting",
    }
}

/// The settings of a policy that differ from the contract alone.
fn policy(namespace: &Namespace) -> Vec<String> {
    let policy = namespace.policy.unwrap_or_default();
    let mut settings = Vec::new();
    if namespace.abstraction() == Abstraction::Timeseries {
        settings.push("timeseries".to_owned());
    }
    for (name, is_set) in [("encrypt", policy.encrypt), ("audit", policy.audit)] {
        settings.extend(is_set.then(|| name.to_owned()));
    }
    for (name, duration) in [
        ("default-ttl", policy.default_ttl),
        ("max-ttl", policy.max_ttl),
        ("retention", policy.retention),
        ("accept-past", policy.accept_past),
        ("accept-future", policy.accept_future),
    ] {
        settings.extend(duration.map(|duration| format!("{name} {}", span(&duration))));
    }
    if policy.partitions > 0 {
        settings.push(format!("partitions {}", policy.partitions));
    }
    if policy.max_value_bytes > 0 {
        settings.push(format!("max-value-bytes {}", grouped(policy.max_value_bytes)));
    }
    for (name, limit) in [("reads", policy.reads), ("writes", policy.writes)] {
        settings.extend(limit.map(|limit| {
            let burst = if limit.burst > 0 { format!(" (burst {})", limit.burst) } else { String::new() };
            format!("{name} {}/s{burst}", limit.per_second)
        }));
    }
    settings
}

/// A duration in its largest whole unit.
fn span(duration: &prost_types::Duration) -> String {
    let Ok(duration) = Duration::try_from(*duration) else { return "unknown".to_owned() };
    let seconds = duration.as_secs();
    if duration.subsec_nanos() > 0 {
        return format!("{}s", duration.as_secs_f64());
    }
    let units = [("d", 86_400), ("h", 3_600), ("m", 60)];
    let unit = units.into_iter().find(|(_, unit)| seconds > 0 && seconds % unit == 0);
    unit.map_or_else(|| format!("{seconds}s"), |(name, unit)| format!("{}{name}", seconds / unit))
}

/// A definition as JSON.
pub(super) fn to_json(namespace: &Namespace) -> Value {
    let abstraction = match namespace.abstraction() {
        Abstraction::Unspecified => "unspecified",
        Abstraction::Keyvalue => "keyvalue",
        Abstraction::Timeseries => "timeseries",
        Abstraction::Graph => "graph",
    };
    let mut object = Map::new();
    let mut set = |name: &str, value: Value| object.insert(name.to_owned(), value);
    set("name", json!(namespace.name));
    set("abstraction", json!(abstraction));
    set("backend", json!(namespace.backend));
    set("status", json!(status(namespace)));
    set("version", json!(namespace.version));
    set("static", json!(namespace.r#static));
    set("policy", policy_json(&namespace.policy.unwrap_or_default()));
    set("owners", json!(namespace.owners));
    for (name, at) in [("created_at", &namespace.created_at), ("updated_at", &namespace.updated_at)] {
        if let Some(at) = at {
            set(name, json!(at.to_string()));
        }
    }
    object.into()
}

fn policy_json(policy: &Policy) -> Value {
    let mut object = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(name.to_owned(), value);
        }
    };
    let seconds = |ttl: Option<prost_types::Duration>| ttl.map(|ttl| json!(ttl.to_string()));
    set("default_ttl", seconds(policy.default_ttl));
    set("max_ttl", seconds(policy.max_ttl));
    set("retention", seconds(policy.retention));
    set("accept_past", seconds(policy.accept_past));
    set("accept_future", seconds(policy.accept_future));
    set("partitions", (policy.partitions > 0).then(|| json!(policy.partitions)));
    set("max_value_bytes", (policy.max_value_bytes > 0).then(|| json!(policy.max_value_bytes)));
    set("encrypt", Some(json!(policy.encrypt)));
    set("audit", Some(json!(policy.audit)));
    let limit = |limit: Option<RateLimit>| {
        limit.map(|limit| json!({ "per_second": limit.per_second, "burst": limit.burst }))
    };
    set("reads", limit(policy.reads));
    set("writes", limit(policy.writes));
    object.into()
}
