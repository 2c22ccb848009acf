//! A secret that stands in the wrong place of the configuration is not repeated: in any key of any source, in any form.

use prism_proxy::config::{Flags, Sources, load};

use crate::{paths, sources, variable};

/// Told by its digit from the words of a message.
const SECRET: &str = "hunter2";

/// Addresses of databases with a password, and a private key: forms that no key but `database.url` takes.
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

/// Texts that hold a token at a place where YAML or a list of tokens has something else.
const LISTS: &[&str] = &[
    "[hunter2",
    "{hunter2: hunter2}",
    "[{hunter2: hunter2}]",
    "[hunter2, [hunter2], {name: hunter2}]",
    "[{name: a, env: hunter2, permissions: [read]}]",
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

/// All that may be shown of what the sources mean.
fn shown(sources: &Sources) -> String {
    match load(sources) {
        Ok(config) => format!("{}\n{config:?}", config.to_yaml()),
        Err(problems) => format!("{problems}\n{problems:?}"),
    }
}

#[track_caller]
fn is_hidden(from: &str, sources: &Sources) {
    let shown = shown(sources);
    assert!(!shown.contains(SECRET), "{from}: {shown}");
}

/// What may be misplaced at a key. Almost any text is the path of a file, so there it is told from an address alone.
fn forms(path: &str) -> Vec<&'static str> {
    let takes_a_path = ["database.path", "database.postgres.password_file"].contains(&path)
        || path.starts_with("server.tls.");
    if takes_a_path { ADDRESSES.to_vec() } else { [ADDRESSES, LISTS].concat() }
}

#[test]
fn a_secret_in_any_variable_is_not_repeated() {
    let url = ("DATABASE_URL".to_owned(), forms("database.url"));
    for (variable, forms) in paths().iter().map(|path| (variable(path), forms(path))).chain([url]) {
        for form in forms {
            is_hidden(&format!("{variable}={form}"), &sources("", &[(&variable, form), ("A", "x")]));
        }
    }
}

#[test]
fn a_secret_at_any_key_of_the_file_is_not_repeated() {
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
                // Without the space, a value is a part of its key.
                within(&format!("{{{key}:{form}}}")),
                within(&format!("{{'{quoted}': 1}}")),
                within(&format!("'{quoted}'")),
                format!("{form}\n"),
                format!("{key}: [{form}\n"),
            ];
            for yaml in yamls {
                is_hidden(&yaml, &sources(&yaml, &[("A", "x")]));
            }
        }
    }
}

#[test]
fn a_token_at_any_place_of_a_token_is_not_repeated_where_it_cannot_be_meant() {
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
                continue; // It is the name of a namespace.
            }
            let list = format!("[{{{key}: {value}, {rest}}}]");
            is_hidden(&list, &sources("", &[("PRISM_AUTH_TOKENS", &list), ("A", "x")]));
            is_hidden(&list, &sources(&format!("auth: {{tokens: {list}}}"), &[("A", "x")]));
        }
    }
}

#[test]
fn a_secret_in_a_flag_is_not_repeated() {
    for form in forms("server.listen") {
        let flags = Flags { listen: Some(form.to_owned()), database: None };
        is_hidden(form, &Sources { flags, ..Sources::default() });
    }
    for form in forms("database.path") {
        let flags = Flags { listen: None, database: Some(form.to_owned()) };
        is_hidden(form, &Sources { flags, ..Sources::default() });
    }
}
