//! The effective configuration as YAML, secrets masked.

use std::fmt::Write;

use super::Config;
use super::node::is_null;
use super::settings::{SETTINGS, TOKENS};
use super::tokens::Token;

pub(super) fn yaml(config: &Config) -> String {
    let mut yaml = String::new();
    let mut open: Vec<&str> = Vec::new();
    for setting in SETTINGS {
        let Some(shown) = (setting.show)(config) else { continue };
        let key = enter(&mut yaml, &mut open, setting.path);
        line(&mut yaml, open.len(), &format!("{key}: {}", quoted(&shown)));
    }
    if !config.auth.tokens.is_empty() {
        let key = enter(&mut yaml, &mut open, TOKENS);
        line(&mut yaml, open.len(), &format!("{key}:"));
        for token in &config.auth.tokens {
            show_token(&mut yaml, open.len() + 1, token);
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
    let permissions: Vec<_> = token.permissions.iter().map(|permission| permission.name()).collect();
    line(yaml, depth + 1, &format!("permissions: [{}]", permissions.join(", ")));
    if let Some(rules) = &token.namespaces {
        let rules: Vec<_> = rules.iter().map(|rule| quoted(&rule.to_string())).collect();
        line(yaml, depth + 1, &format!("namespaces: [{}]", rules.join(", ")));
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
