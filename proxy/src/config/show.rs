//! The effective configuration as YAML, secrets masked.

use std::fmt::Write;

use super::Config;
use super::node::is_null;
use super::settings::{GRANTS, JWT, SETTINGS, TOKENS};
use super::values::show_duration;
use super::{Grant, JwtIssuer, NamespaceRule, Permission, Token, Who};

pub(super) fn yaml(config: &Config) -> String {
    let mut yaml = String::new();
    let mut open: Vec<&str> = Vec::new();
    for setting in SETTINGS {
        let Some(shown) = (setting.show)(config) else { continue };
        let key = enter(&mut yaml, &mut open, setting.path);
        line(&mut yaml, open.len(), &format!("{key}: {}", quoted(&shown)));
    }
    let auth = &config.auth;
    list(&mut yaml, &mut open, TOKENS, &auth.tokens, show_token);
    list(&mut yaml, &mut open, JWT, &auth.jwt, show_issuer);
    list(&mut yaml, &mut open, GRANTS, &auth.grants, show_grant);
    yaml
}

fn list<T>(
    yaml: &mut String,
    open: &mut Vec<&'static str>,
    path: &'static str,
    entries: &[T],
    show: fn(&mut String, usize, &T),
) {
    if entries.is_empty() {
        return;
    }
    let key = enter(yaml, open, path);
    line(yaml, open.len(), &format!("{key}:"));
    for entry in entries {
        show(yaml, open.len() + 1, entry);
    }
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
