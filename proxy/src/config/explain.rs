//! Every key explained: as a file to start from, and as the reference of the documentation.

use std::fmt::Write;

use super::Config;
use super::settings::{SETTINGS, Setting, TOKENS, variable};
use super::show::{enter, line, quoted};

/// The longest line of the example.
const WIDTH: usize = 120;

const INTRODUCTION: &[&str] = &[
    "Every key of Prism's configuration, at its default. An empty file means the same.",
    "",
    "  prism serve --config prism.yaml",
    "  prism check-config --config prism.yaml     prints what is in effect, or everything that is wrong",
    "  prism check-config --explain               prints this file",
    "",
    "What is said nearer wins: a flag (--listen, --database) over the environment, the environment over this file, this \
     file over the defaults. Each key has a variable, PRISM_ and the key's path in capitals: server.listen is \
     PRISM_SERVER_LISTEN. A key without a value says nothing, and neither does an empty variable. A key or a PRISM_ variable that is not known \
     is refused.",
    "",
    "A duration is a whole number and a unit: 500ms, 10s, 5m, 24h, 7d. A size is one too: 100B, 512KiB, 64MiB.",
];

const TOKENS_DOC: &str = "Who may call; without tokens, everybody who reaches the server may do everything, and `auth.mode` \
                          says where it may then listen. A client sends the header `authorization: Bearer TOKEN`. Health and reflection need no token. The variable takes the \
                          same list in brackets, such as `[{name: a, env: A_TOKEN, permissions: [read]}]`.";
const TOKENS_ALLOWED: &str = "a list of tokens, each with a `name` for the log, the secret's place as one of `sha256`, \
                              `file` and `env`, `permissions` of `read` and `write`, and, to hold it to some, `namespaces`";
const TOKENS_EXAMPLE: &str = "\
- name: orders-service            # for the log
  sha256: 5e88...1542d8           # SHA-256 of the token: printf %s \"$TOKEN\" | sha256sum
  permissions: [read, write]
- name: reports
  file: /run/secrets/reports      # or the token itself, in a file
  permissions: [read]
  namespaces: [orders, stock-*]   # these only; * stands for any ending. Without this, everywhere.
- name: importer
  env: IMPORTER_TOKEN             # or in a variable
  permissions: [write]";

/// The example file: every key at its default, with what it does.
pub(super) fn yaml() -> String {
    let (mut yaml, mut open) = (String::new(), Vec::new());
    for paragraph in INTRODUCTION {
        comment(&mut yaml, 0, paragraph);
    }
    for Setting { path, doc, show, .. } in SETTINGS {
        let key = enter_apart(&mut yaml, &mut open, path);
        comment(&mut yaml, open.len(), doc);
        let value = show(&Config::default()).map(|shown| format!(" {}", quoted(&shown))).unwrap_or_default();
        line(&mut yaml, open.len(), &format!("{key}:{value}"));
    }
    let key = enter_apart(&mut yaml, &mut open, TOKENS);
    comment(&mut yaml, open.len(), TOKENS_DOC);
    line(&mut yaml, open.len(), "#");
    for example in TOKENS_EXAMPLE.lines() {
        line(&mut yaml, open.len(), &format!("#   {example}"));
    }
    line(&mut yaml, open.len(), &format!("{key}: []"));
    yaml
}

/// As [`enter`], with an empty line before each section of the file.
fn enter_apart(yaml: &mut String, open: &mut Vec<&'static str>, path: &'static str) -> &'static str {
    if open.first().copied() != path.split('.').next() {
        yaml.push('\n');
    }
    enter(yaml, open, path)
}

/// A paragraph as a comment, without backticks, broken before it is too long. One that starts with a space is kept as it is.
fn comment(yaml: &mut String, depth: usize, paragraph: &str) {
    let paragraph = paragraph.replace('`', "");
    if paragraph.is_empty() || paragraph.starts_with(' ') {
        return line(yaml, depth, format!("# {paragraph}").trim_end());
    }
    let mut text = String::from("#");
    for word in paragraph.split(' ') {
        if depth * 2 + text.len() + 1 + word.len() > WIDTH {
            line(yaml, depth, &text);
            text.truncate(1);
        }
        text.extend([" ", word]);
    }
    line(yaml, depth, &text);
}

/// The reference: a section for each key, in Markdown.
pub(super) fn markdown() -> String {
    let mut page = String::new();
    let mut section = "";
    for Setting { path, doc, allowed, show, .. } in SETTINGS {
        let shown = show(&Config::default());
        let default = shown.map_or_else(|| "none".to_owned(), |shown| format!("`{shown}`"));
        reference(&mut page, &mut section, path, doc, allowed, &default);
    }
    reference(&mut page, &mut section, TOKENS, TOKENS_DOC, TOKENS_ALLOWED, "none");
    page
}

fn reference<'a>(
    page: &mut String,
    section: &mut &'a str,
    path: &'a str,
    doc: &str,
    allowed: &str,
    default: &str,
) {
    let (this, _) = path.rsplit_once('.').unwrap_or_default();
    if *section != this {
        *section = this;
        put(page, &format!("### {this}\n"));
    }
    put(page, &format!("<a id=\"{path}\"></a>\n**`{path}`**\n"));
    put(page, &format!("{}\n", linked(doc)));
    put(page, &format!("- Allowed: {allowed}.\n- Default: {default}\n- Variable: `{}`\n", variable(path)));
}

fn put(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("a String takes every line");
}

/// With the rules of the contract, which stand in parentheses, as links.
fn linked(doc: &str) -> String {
    let mut linked = String::new();
    for part in doc.split_inclusive('(') {
        match part.split_once(')') {
            Some((rule, rest)) if is_rule(rule) => {
                write!(linked, "[{rule}](contract.md#{rule})){rest}").expect("a String takes every word");
            }
            _ => linked.push_str(part),
        }
    }
    linked
}

fn is_rule(text: &str) -> bool {
    let capitals = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_uppercase());
    text.split_once('-').is_some_and(|(kind, number)| capitals(kind) && number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_explained_in_sentences() {
        for Setting { path, doc, .. } in SETTINGS {
            assert!(doc.ends_with('.') && doc.starts_with(|c: char| c.is_ascii_uppercase()), "{path}: {doc}");
            assert_eq!(doc.matches('`').count() % 2, 0, "{path}: {doc}");
            assert!(!doc.contains("  "), "{path}: {doc}");
        }
    }

    #[test]
    fn rules_in_parentheses_become_links_and_nothing_else_does() {
        assert_eq!(linked("Kept (TOK-4)."), "Kept ([TOK-4](contract.md#TOK-4)).");
        assert_eq!(linked("UTF-8 (or not) is (B-x)."), "UTF-8 (or not) is (B-x).");
    }

    #[test]
    fn a_comment_is_broken_before_it_is_too_long() {
        let mut yaml = String::new();
        comment(&mut yaml, 1, &format!("`{}` {}", "a".repeat(58), "b".repeat(57)));
        comment(&mut yaml, 1, &format!("{} {}", "a".repeat(58), "b".repeat(58)));
        let lengths: Vec<_> = yaml.lines().map(str::len).collect();
        assert_eq!(lengths, [WIDTH, 62, 62]);
    }
}
