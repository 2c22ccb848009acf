//! Documentation generated from the table of keys: the example file and the Markdown reference.

use std::fmt::Write;

use super::Config;
use super::settings::{BACKENDS, Entry, GRANTS, JWT, KEYS, RULES, Setting, entries, variable};
use super::show::{enter, line, quoted};

/// Maximum line width of the example.
const WIDTH: usize = 120;

const INTRODUCTION: &[&str] = &[
    "Every key of Prism's configuration, at its default. An empty file means the same.",
    "",
    "  prism serve --config prism.yaml",
    "  prism check-config --config prism.yaml     prints the effective configuration, or all errors",
    "  prism check-config --explain               prints this file",
    "",
    "Precedence, highest first: flags (--listen, --database), the environment, this file, the defaults. Each key has a \
     variable, PRISM_ and the key's path in upper case: server.listen is PRISM_SERVER_LISTEN. A key without a value is \
     ignored, and so is an empty variable. An unknown key or PRISM_ variable is an error.",
    "",
    "A duration is a whole number and a unit: 500ms, 10s, 5m, 24h, 7d. So is a size: 100B, 512KiB, 64MiB.",
];

/// The description of a key whose value is a list or a mapping.
struct Structure {
    doc: &'static str,
    allowed: &'static str,
    example: &'static str,
    /// The empty value.
    empty: &'static str,
}

const BACKENDS_STRUCTURE: Structure = Structure {
    doc: "Several backends by name, in place of `database`. Each has the keys of `database`, and `required`: with `required: \
          false` the server starts without the backend, and is healthy without it. A backend that is away makes the calls \
          of its namespaces UNAVAILABLE, and no others. Health answers for each by the name `backend/NAME`. The variable \
          takes the same mapping in flow style.",
    allowed: "a mapping from 1 to 64 names (a-z, 0-9, `-` and `_`) to mappings with the keys of `database`, and `required`",
    example: BACKENDS_EXAMPLE,
    empty: "{}",
};
const RULES_STRUCTURE: Structure = Structure {
    doc: "The backend and the policy of a namespace, or of all with a prefix: an exact name comes first, then a definition of \
          the control plane, then the longest prefix. A Put without a ttl gets `default_ttl`, or else `max_ttl`; a longer one than \
          `max_ttl`, and a request beyond `limits`, are INVALID_ARGUMENT. Beyond `rate`, in calls per second of each \
          namespace and each gateway, calls are RESOURCE_EXHAUSTED with a delay; `burst` of them may come at once. \
          Describe answers with the limits of the namespace. `encrypt: true` seals values, content types and compressions with \
          `encryption.keys`: set it before the first item is written, since items in plain text are then damaged. `audit: \
          true` writes a line of `audit.file` for each call that reads or writes data. A namespace with `abstraction: \
          timeseries` holds series of events: an event is live for `retention` after its time, and its time may be at most \
          `accept_past` before and `accept_future` after that of the server. `0s` accepts none on that side; an absent duration \
          is unlimited. A `retention` needs an `accept_past` that is at least a minute shorter. `partitions` is fixed by \
          the first Append: a server with another number does not start. Namespaces without a rule are of the abstraction \
          keyvalue.",
    allowed: "a list of rules, each with `match`, and optionally `abstraction` (`keyvalue`, the default, or `timeseries`), \
              `backend`, `rate` (`reads`, `writes`, `burst`), `audit` and `owners`; with `keyvalue` `default_ttl`, `max_ttl`, \
              `limits` (`max_value_bytes`, `max_put_items`, `max_put_bytes`, `max_page_items`, `max_page_bytes`; none above \
              the contract's) and `encrypt`; with `timeseries` `retention`, `accept_past`, `accept_future` and `partitions` (1 \
              to 256; 8 by default)",
    example: RULES_EXAMPLE,
    empty: "[]",
};
const KEYS_STRUCTURE: Structure = Structure {
    doc: "Master keys of encryption at rest, 32 random bytes each, in base64: `openssl rand -base64 32`. A key stays until no \
          data is sealed under it: see `prism rekey`. The server does not start without a key that stored data needs, or with \
          another one under its id. The variable takes the same list in flow style.",
    allowed: "a list of keys, each with an `id` of 1 to 64 bytes of A-Z, a-z, 0-9, '.', '_' and '-', and its secret as one of \
              `file` and `env`",
    example: KEYS_EXAMPLE,
    empty: "[]",
};
const TOKENS_STRUCTURE: Structure = Structure {
    doc: "Bearer tokens of the callers. Without tokens and `auth.grants` every client may do everything, and `auth.mode` \
          decides where the server may then listen. A client sends the header `authorization: Bearer TOKEN`. Health and \
          reflection need no token. The variable takes the same list in flow style, such as \
          `[{name: a, env: A_TOKEN, permissions: [read]}]`.",
    allowed: "a list of tokens, each with a `name` for the log, its secret as one of `sha256`, `file` and `env`, \
              `permissions` of `read`, `write` and `admin`, and optionally the `namespaces` it is limited to",
    example: TOKENS_EXAMPLE,
    empty: "[]",
};
const JWT_STRUCTURE: Structure = Structure {
    doc: "Issuers whose JWTs are accepted as bearer tokens, signed with RS256, ES256 or EdDSA. A token needs the claims \
          `iss`, `aud`, `exp` and `sub`; `auth.grants` names its subject. The keys are read again when the file changes; \
          from a URL they are fetched every 5 minutes, and when a token has an unknown `kid`.",
    allowed: "a list of issuers, each with its `issuer` (the claim `iss`), the `audience` (the claim `aud`), `jwks`, which \
              is the path of a file or an https URL, and optionally a `leeway` for clocks that differ, 30s by default",
    example: JWT_EXAMPLE,
    empty: "[]",
};
const GRANTS_STRUCTURE: Structure = Structure {
    doc: "Permissions of callers with a JWT or a client certificate. A caller has the permissions of all grants that match. \
          `who` is the subject of a JWT, or a name in the certificate: `uri:` or `dns:`, and the name. Static tokens are \
          not matched: they have their permissions in `auth.tokens`.",
    allowed: "a list of grants, each with `who`, `permissions` of `read`, `write` and `admin`, and optionally the \
              `namespaces` it is limited to, and the `issuer` of the JWTs, which is required where `auth.jwt` has several",
    example: GRANTS_EXAMPLE,
    empty: "[]",
};

fn structure(path: &str) -> Structure {
    match path {
        BACKENDS => BACKENDS_STRUCTURE,
        RULES => RULES_STRUCTURE,
        KEYS => KEYS_STRUCTURE,
        JWT => JWT_STRUCTURE,
        GRANTS => GRANTS_STRUCTURE,
        _ => TOKENS_STRUCTURE,
    }
}

const BACKENDS_EXAMPLE: &str = "\
main:
  path: ./prism.db
orders:
  url: postgres://prism@db.example/orders
  postgres: {password_file: /run/secrets/orders, readers: 8}
  required: false";
const RULES_EXAMPLE: &str = "\
- match: orders-*                 # a trailing * is a wildcard
  backend: orders
  owners: [team-orders]
- match: sessions
  default_ttl: 12h
  max_ttl: 30d
  limits: {max_value_bytes: 64KiB}
  rate: {reads: 1000, writes: 200, burst: 100}
- match: patients
  encrypt: true
  audit: true
- match: metrics-*
  abstraction: timeseries
  retention: 30d                  # from the time of the event
  accept_past: 24h
  accept_future: 10m";
const KEYS_EXAMPLE: &str = "\
- id: k1
  file: /run/secrets/k1           # 32 bytes in base64
- id: k2
  env: PRISM_KEY_K2               # or in a variable";
const JWT_EXAMPLE: &str = "\
- issuer: https://login.example
  audience: prism
  jwks: https://login.example/.well-known/jwks.json    # or a file
  leeway: 30s                     # the default";
const GRANTS_EXAMPLE: &str = "\
- who: svc:orders-*               # subjects of JWTs; a trailing * is a wildcard
  issuer: https://login.example   # required where auth.jwt has several issuers
  namespaces: [orders-*]          # only these. If unset, all namespaces.
  permissions: [read, write]
- who: uri:spiffe://example.org/reports    # certificates with this URI; dns: for a DNS name
  permissions: [read]";
const TOKENS_EXAMPLE: &str = "\
- name: orders-service            # for the log
  sha256: 5e88...1542d8           # SHA-256 of the token: printf %s \"$TOKEN\" | sha256sum
  permissions: [read, write]
- name: reports
  file: /run/secrets/reports      # or the token itself, in a file
  permissions: [read]
  namespaces: [orders, stock-*]   # only these; a trailing * is a wildcard. If unset, all namespaces.
- name: importer
  env: IMPORTER_TOKEN             # or in a variable
  permissions: [write]";

/// The example file: every key at its default, with its description.
pub(super) fn yaml() -> String {
    let (mut yaml, mut open) = (String::new(), Vec::new());
    for paragraph in INTRODUCTION {
        comment(&mut yaml, 0, paragraph);
    }
    for entry in entries() {
        match entry {
            Entry::Single(Setting { path, doc, show, .. }) => {
                let key = enter_spaced(&mut yaml, &mut open, path);
                comment(&mut yaml, open.len(), doc);
                let value =
                    show(&Config::default()).map(|shown| format!(" {}", quoted(&shown))).unwrap_or_default();
                line(&mut yaml, open.len(), &format!("{key}:{value}"));
            }
            Entry::Structure(path) => {
                let Structure { doc, example, empty, .. } = structure(path);
                let key = enter_spaced(&mut yaml, &mut open, path);
                comment(&mut yaml, open.len(), doc);
                line(&mut yaml, open.len(), "#");
                for example in example.lines() {
                    line(&mut yaml, open.len(), &format!("#   {example}"));
                }
                line(&mut yaml, open.len(), &format!("{key}: {empty}"));
            }
        }
    }
    yaml
}

/// [`enter`], with an empty line before each top-level section.
fn enter_spaced(yaml: &mut String, open: &mut Vec<&'static str>, path: &'static str) -> &'static str {
    if open.first().copied() != path.split('.').next() {
        yaml.push('\n');
    }
    enter(yaml, open, path)
}

/// A paragraph as a comment, without backticks, wrapped at [`WIDTH`]. One that starts with a space is kept as it is.
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

/// The reference in Markdown, one section per key.
pub(super) fn markdown() -> String {
    let mut page = String::new();
    let mut section = "";
    for entry in entries() {
        match entry {
            Entry::Single(Setting { path, doc, allowed, show, .. }) => {
                let shown = show(&Config::default());
                let default = shown.map_or_else(|| "none".to_owned(), |shown| format!("`{shown}`"));
                reference(&mut page, &mut section, path, doc, allowed, &default);
            }
            Entry::Structure(path) => {
                let Structure { doc, allowed, .. } = structure(path);
                reference(&mut page, &mut section, path, doc, allowed, "none");
            }
        }
    }
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
    let this = path.rsplit_once('.').map_or(path, |(section, _)| section);
    if *section != this {
        *section = this;
        put(page, &format!("### {this}\n"));
    }
    put(page, &format!("<a id=\"{path}\"></a>\n**`{path}`**\n"));
    put(page, &format!("{}\n", linked(doc)));
    put(page, &format!("- Allowed: {allowed}.\n- Default: {default}\n- Variable: `{}`\n", variable(path)));
}

fn put(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("writing to a String cannot fail");
}

/// Turns the contract's rule ids in parentheses into links.
fn linked(doc: &str) -> String {
    let mut linked = String::new();
    for part in doc.split_inclusive('(') {
        match part.split_once(')') {
            Some((rule, rest)) if is_rule(rule) => {
                write!(linked, "[{rule}](contract.md#{rule})){rest}")
                    .expect("writing to a String cannot fail");
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
    fn every_description_is_in_sentences() {
        for Setting { path, doc, .. } in crate::config::settings::SETTINGS {
            assert!(doc.ends_with('.') && doc.starts_with(|c: char| c.is_ascii_uppercase()), "{path}: {doc}");
            assert_eq!(doc.matches('`').count() % 2, 0, "{path}: {doc}");
            assert!(!doc.contains("  "), "{path}: {doc}");
        }
    }

    #[test]
    fn only_rule_ids_in_parentheses_become_links() {
        assert_eq!(linked("Kept (TOK-4)."), "Kept ([TOK-4](contract.md#TOK-4)).");
        assert_eq!(linked("UTF-8 (or not) is (B-x)."), "UTF-8 (or not) is (B-x).");
    }

    #[test]
    fn a_comment_is_wrapped_at_the_width() {
        let mut yaml = String::new();
        comment(&mut yaml, 1, &format!("`{}` {}", "a".repeat(58), "b".repeat(57)));
        comment(&mut yaml, 1, &format!("{} {}", "a".repeat(58), "b".repeat(58)));
        let lengths: Vec<_> = yaml.lines().map(str::len).collect();
        assert_eq!(lengths, [WIDTH, 62, 62]);
    }
}
