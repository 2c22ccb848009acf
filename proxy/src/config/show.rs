//! The effective configuration as YAML, secrets masked.

use std::fmt::Write;

use prism_contract::timeseries::Policy;

use super::node::is_null;
use super::rules::Rule;
use super::settings::{BACKENDS, Entry, GRANTS, JWT, KEYS, RULES, entries};
use super::values::{show_duration, show_size};
use super::{
    Backend, Config, EncryptionKey, Grant, JwtIssuer, KeySource, NamespaceRule, Permission, Token, Who,
    backends,
};

pub(super) fn yaml(config: &Config) -> String {
    let mut yaml = String::new();
    let mut open: Vec<&str> = Vec::new();
    for entry in entries() {
        match entry {
            Entry::Single(setting) => {
                let is_unused = setting.path.starts_with("database.") && !config.backends.is_empty();
                let Some(shown) = (setting.show)(config).filter(|_| !is_unused) else { continue };
                let key = enter(&mut yaml, &mut open, setting.path);
                line(&mut yaml, open.len(), &format!("{key}: {}", quoted(&shown)));
            }
            Entry::Structure(path) => {
                let mut shown = String::new();
                show_structure(&mut shown, path.matches('.').count() + 1, path, config);
                if !shown.is_empty() {
                    let key = enter(&mut yaml, &mut open, path);
                    line(&mut yaml, open.len(), &format!("{key}:"));
                    yaml.push_str(&shown);
                }
            }
        }
    }
    yaml
}

/// Opens the sections that lead to `path`, and returns its last part.
pub(super) fn enter<'a>(yaml: &mut String, open: &mut Vec<&'a str>, path: &'a str) -> &'a str {
    let mut parts: Vec<_> = path.split('.').collect();
    let key = parts.pop().unwrap_or_default();
    let shared = open.iter().zip(&parts).take_while(|(open, part)| open == part).count();
    open.truncate(shared);
    for part in &parts[shared..] {
        line(yaml, open.len(), &format!("{part}:"));
        open.push(part);
    }
    key
}

fn show_token(yaml: &mut String, depth: usize, token: &Token) {
    line(yaml, depth, &format!("- name: {}", quoted(&token.name)));
    line(yaml, depth + 1, "sha256: '***'");
    show_access(yaml, depth + 1, &token.permissions, token.namespaces.as_deref());
}

fn show_key(yaml: &mut String, depth: usize, key: &EncryptionKey) {
    line(yaml, depth, &format!("- id: {}", quoted(key.key.id())));
    let source = match &key.source {
        KeySource::File(path) => format!("file: {}", quoted(&path.display().to_string())),
        KeySource::Variable(name) => format!("env: {}", quoted(name)),
    };
    line(yaml, depth + 1, &source);
}

fn show_issuer(yaml: &mut String, depth: usize, jwt: &JwtIssuer) {
    line(yaml, depth, &format!("- issuer: {}", quoted(&jwt.issuer)));
    line(yaml, depth + 1, &format!("audience: {}", quoted(&jwt.audience)));
    line(yaml, depth + 1, &format!("jwks: {}", quoted(&jwt.jwks.shown())));
    line(yaml, depth + 1, &format!("leeway: {}", show_duration(jwt.leeway)));
}

fn show_grant(yaml: &mut String, depth: usize, grant: &Grant) {
    line(yaml, depth, &format!("- who: {}", quoted(&grant.who.to_string())));
    if let Who::Subject { issuer: Some(issuer), .. } = &grant.who {
        line(yaml, depth + 1, &format!("issuer: {}", quoted(issuer)));
    }
    show_access(yaml, depth + 1, &grant.permissions, grant.namespaces.as_deref());
}

fn show_access(
    yaml: &mut String,
    depth: usize,
    permissions: &[Permission],
    namespaces: Option<&[NamespaceRule]>,
) {
    let permissions: Vec<_> = permissions.iter().map(|permission| permission.name()).collect();
    line(yaml, depth, &format!("permissions: [{}]", permissions.join(", ")));
    if let Some(rules) = namespaces {
        let rules: Vec<_> = rules.iter().map(|rule| quoted(&rule.to_string())).collect();
        line(yaml, depth, &format!("namespaces: [{}]", rules.join(", ")));
    }
}

fn show_structure(yaml: &mut String, depth: usize, path: &str, config: &Config) {
    match path {
        BACKENDS => {
            for (name, backend) in &config.backends {
                line(yaml, depth, &format!("{name}:"));
                show_backend(yaml, backend);
            }
        }
        RULES => config.namespaces.rules.iter().for_each(|rule| show_rule(yaml, depth, rule)),
        KEYS => config.encryption.keys.iter().for_each(|key| show_key(yaml, depth, key)),
        JWT => config.auth.jwt.iter().for_each(|issuer| show_issuer(yaml, depth, issuer)),
        GRANTS => config.auth.grants.iter().for_each(|grant| show_grant(yaml, depth, grant)),
        _ => config.auth.tokens.iter().for_each(|token| show_token(yaml, depth, token)),
    }
}

fn show_backend(yaml: &mut String, backend: &Backend) {
    let mut open = Vec::new();
    for (path, value) in backends::shown(backend) {
        let key = {
            let mut parts: Vec<_> = path.split('.').collect();
            let key = parts.pop().unwrap_or_default();
            if open != parts {
                let shared = open.iter().zip(&parts).take_while(|(open, part)| open == part).count();
                for (depth, part) in parts.iter().enumerate().skip(shared) {
                    line(yaml, 2 + depth, &format!("{part}:"));
                }
                open = parts;
            }
            key
        };
        line(yaml, 2 + open.len(), &format!("{key}: {}", quoted(&value)));
    }
}

fn show_rule(yaml: &mut String, depth: usize, rule: &Rule) {
    line(yaml, depth, &format!("- match: {}", quoted(&rule.namespaces.to_string())));
    let mut key = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            line(yaml, depth + 1, &format!("{name}: {value}"));
        }
    };
    key("backend", rule.backend.as_deref().map(quoted));
    if let Some(policy) = rule.abstraction.timeseries() {
        key("abstraction", Some(rule.abstraction.name().to_owned()));
        key("retention", policy.retention.map(show_duration));
        key("accept_past", policy.window.past.map(show_duration));
        key("accept_future", policy.window.future.map(show_duration));
        key("partitions", (policy.partitions != Policy::PARTITIONS).then(|| policy.partitions.to_string()));
    }
    key("default_ttl", rule.default_ttl.map(show_duration));
    key("max_ttl", rule.max_ttl.map(show_duration));
    let limits = rule.limits;
    let limits = [
        ("max_value_bytes", limits.value_bytes.map(show_size)),
        ("max_put_items", limits.put_items.map(|items| items.to_string())),
        ("max_put_bytes", limits.put_bytes.map(show_size)),
        ("max_page_items", limits.page_items.map(|items| items.to_string())),
        ("max_page_bytes", limits.page_bytes.map(show_size)),
    ];
    key("limits", flow(limits));
    let rate = rule.rate;
    let rate = [
        ("reads", rate.reads.map(|reads| reads.to_string())),
        ("writes", rate.writes.map(|writes| writes.to_string())),
        ("burst", rate.burst.map(|burst| burst.to_string())),
    ];
    key("rate", flow(rate));
    key("encrypt", rule.encrypt.then(|| "true".to_owned()));
    key("audit", rule.audit.map(|audit| audit.to_string()));
    let owners: Vec<_> = rule.owners.iter().map(|owner| quoted(owner)).collect();
    key("owners", (!owners.is_empty()).then(|| format!("[{}]", owners.join(", "))));
}

/// The set values as a mapping in flow style; `None`: there is none.
fn flow<const N: usize>(values: [(&str, Option<String>); N]) -> Option<String> {
    let set: Vec<_> =
        values.into_iter().filter_map(|(key, value)| Some(format!("{key}: {}", value?))).collect();
    (!set.is_empty()).then(|| format!("{{{}}}", set.join(", ")))
}

pub(super) fn line(yaml: &mut String, depth: usize, text: &str) {
    writeln!(yaml, "{:indent$}{text}", "", indent = depth * 2).expect("writing to a String cannot fail");
}

/// The text as a YAML scalar, quoted only where necessary.
pub(super) fn quoted(text: &str) -> String {
    let is_unquoted = |c: char| c.is_ascii_alphanumeric() || "-._/:".contains(c);
    if text.starts_with(|c: char| c.is_ascii_alphanumeric() || "./".contains(c))
        && !text.ends_with(':')
        && text.chars().all(is_unquoted)
        && !is_null(text)
    {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "''"))
}
