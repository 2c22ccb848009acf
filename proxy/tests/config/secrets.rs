//! Misplaced secrets do not appear in messages: for any key, any source and any form.

use prism_proxy::config::{Flags, Sources, load};

use crate::{paths, sources, variable};

/// Its digit distinguishes it from the words of a message.
const SECRET: &str = "hunter2";

/// Database addresses with a password, and a private key: forms that only `database.url` accepts.
const ADDRESSES: &[&str] = &[
    "postgres://u:hunter2@db.example.org:5432/d",
    "postgres://u:hunter2@h/d",
    "postgres://u:hun/hunter2@h/d",
    "postgres://u:hunter2/x@h/d",
    "postgres://u:12/hunter2@h/d",
    "postgres://u:hun?hunter2@h/d",
    "postgres://u:hunter2?x@h/d",
    "postgres://u:12?hunter2@h/d",
    "postgres://u:12#hunter2@h/d",
    "postgres://u:12#/hunter2@h/d",
    "postgres://u:hunter2/d",
    "postgres://:hunter2@/d",
    "postgres://h/d?password=hunter2",
    "postgres://h/d?sslmode=hunter2@x",
    "postgres:u:hunter2@h",
    "POSTGRES://u:hunter2@h/d",
    "mysql://u:hunter2@h/d",
    "sqlite://u:hunter2@h/d",
    "sqlite:x?key=hunter2",
    "u:hunter2@h/d",
    "host=h user=u password=hunter2",
    "-----BEGIN PRIVATE KEY-----\nhunter2\n",
];

/// Texts with a token where YAML or a list of tokens expects something else.
const LISTS: &[&str] = &[
    "[hunter2",
    "{hunter2: hunter2}",
    "[{hunter2: hunter2}]",
    "[hunter2, [hunter2], {name: hunter2}]",
    "[{name: a, env: hunter2, permissions: [read]}]",
    "[{id: hunter2, env: A}]",
    "[{id: a, env: hunter2}]",
    "[{id: a, file: hunter2}]",
    "[{id: a, secret: hunter2}]",
    "[{name: a, file: hunter2, permissions: [read]}]",
    "[{name: a, sha256: hunter2, permissions: [read]}]",
    "[{name: a, env: A, permissions: [hunter2]}]",
    "[{name: a, env: A, permissions: [read], namespaces: ['hunter2*hunter2']}]",
    "[{name: hunter2, env: A, permissions: [read]}, {name: hunter2, env: A, permissions: [read]}]",
    "!hunter2 x",
    "*hunter2",
    "&hunter2 *hunter2",
    "\"\\qhunter2\"",
];

/// All output about the sources: the configuration or the problems.
fn rendered(sources: &Sources) -> String {
    match load(sources) {
        Ok(config) => format!("{}\n{config:?}", config.to_yaml()),
        Err(problems) => format!("{problems}\n{problems:?}"),
    }
}

#[track_caller]
fn assert_hidden(origin: &str, sources: &Sources) {
    let rendered = rendered(sources);
    assert!(!rendered.contains(SECRET), "{origin}: {rendered}");
}

/// The misplaced forms to try at a key. Almost any text is a valid path, so at paths only addresses are recognized.
fn forms(path: &str) -> Vec<&'static str> {
    let is_path = ["audit.file", "database.path", "otlp.ca"].contains(&path)
        || path.ends_with("_file")
        || path.contains(".tls.");
    if is_path { ADDRESSES.to_vec() } else { [ADDRESSES, LISTS].concat() }
}

#[test]
fn a_secret_in_any_variable_is_hidden() {
    let url = ("DATABASE_URL".to_owned(), forms("database.url"));
    for (variable, forms) in paths().iter().map(|path| (variable(path), forms(path))).chain([url]) {
        for form in forms {
            assert_hidden(&format!("{variable}={form}"), &sources("", &[(&variable, form), ("A", "x")]));
        }
    }
}

#[test]
fn a_secret_at_any_key_of_the_file_is_hidden() {
    for path in paths() {
        let parts: Vec<_> = path.split('.').collect();
        let ((key, sections), forms) = (parts.split_last().unwrap(), forms(&path));
        let within = |entry: &str| {
            sections.iter().rev().fold(entry.to_owned(), |inner, section| format!("{{{section}: {inner}}}"))
        };
        for form in forms {
            let quoted = form.replace('\'', "''").replace('\n', "\n\n    ");
            let yamls = [
                within(&format!("{{{key}: '{quoted}'}}")),
                within(&format!("{{{key}: {form}}}")),
                // Without the space, the value is part of the key.
                within(&format!("{{{key}:{form}}}")),
                within(&format!("{{'{quoted}': 1}}")),
                within(&format!("'{quoted}'")),
                format!("{form}\n"),
                format!("{key}: [{form}\n"),
            ];
            for yaml in yamls {
                assert_hidden(&yaml, &sources(&yaml, &[("A", "x")]));
            }
        }
    }
}

#[test]
fn a_misplaced_secret_in_a_token_entry_is_hidden() {
    for (key, rest) in [
        ("env", "name: a, permissions: [read]"),
        ("file", "name: a, permissions: [read]"),
        ("sha256", "name: a, permissions: [read]"),
        ("permissions", "name: a, env: A"),
        ("namespaces", "name: a, env: A, permissions: [read]"),
        ("hunter2", "name: a, env: A, permissions: [read]"),
    ] {
        for value in ["hunter2", "[hunter2]", "[hunter2!]", "[[hunter2]]", "{hunter2: x}", "''", "~"] {
            if (key, value) == ("namespaces", "[hunter2]") {
                continue; // Valid: the name of a namespace.
            }
            let list = format!("[{{{key}: {value}, {rest}}}]");
            assert_hidden(&list, &sources("", &[("PRISM_AUTH_TOKENS", &list), ("A", "x")]));
            assert_hidden(&list, &sources(&format!("auth: {{tokens: {list}}}"), &[("A", "x")]));
        }
    }
}

#[test]
fn a_misplaced_secret_in_an_issuer_or_a_grant_is_hidden() {
    let mut lists = Vec::new();
    for key in ["issuer", "audience", "jwks", "leeway", "hunter2"] {
        let rest = ["issuer: i", "audience: a", "jwks: f"].into_iter().filter(|rest| !rest.starts_with(key));
        let rest = rest.collect::<Vec<_>>().join(", ");
        // Names and the path of a file may be anything, and are not secret.
        for value in ["[hunter2]", "[hunter2!]", "[[hunter2]]", "{hunter2: x}"] {
            lists.push(("jwt", format!("[{{{key}: {value}, {rest}}}]")));
        }
    }
    lists.push(("jwt", "[{issuer: i, audience: a, jwks: f, leeway: hunter2}]".to_owned()));
    lists.push(("jwt", "[{issuer: 'hunter2#', audience: a, jwks: f}]".to_owned()));
    lists.push(("jwt", "[{issuer: i, audience: a, jwks: 'https://u:hunter2@h/'}]".to_owned()));
    lists.push(("jwt", "[{issuer: i, audience: a, jwks: 'https://h/?key=hunter2'}]".to_owned()));
    for (key, rest) in [("permissions", "who: a"), ("namespaces", "who: a, permissions: [read]")] {
        for value in ["hunter2", "[hunter2!]", "[[hunter2]]", "{hunter2: x}"] {
            lists.push(("grants", format!("[{{{key}: {value}, {rest}}}]")));
        }
    }
    lists.push(("grants", "[{hunter2: x, who: a, permissions: [read]}]".to_owned()));
    for (key, list) in lists {
        let variable = format!("PRISM_AUTH_{}", key.to_uppercase());
        assert_hidden(&list, &sources("", &[(&variable, &list)]));
        assert_hidden(&list, &sources(&format!("auth: {{{key}: {list}}}"), &[]));
    }
}

#[test]
fn a_secret_in_a_flag_is_hidden() {
    for form in forms("server.listen") {
        let flags = Flags { listen: Some(form.to_owned()), database: None };
        assert_hidden(form, &Sources { flags, ..Sources::default() });
    }
    for form in forms("database.path") {
        let flags = Flags { listen: None, database: Some(form.to_owned()) };
        assert_hidden(form, &Sources { flags, ..Sources::default() });
    }
}
