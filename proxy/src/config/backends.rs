//! Backends by name: each has the keys of the section `database`, and `required`.

use std::collections::BTreeMap;

use super::mappings::{Mistakes, text};
use super::names::shown_key;
use super::node::{Node, Spanned};
use super::settings::{SETTINGS, Setting};
use super::{Config, Database, DatabaseKind};

/// Maximum number of backends: each has connections, threads and a health check.
const MAX: usize = 64;

/// The section whose keys a backend has.
const SECTION: &str = "database.";

/// A backend of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Its kind, address and settings.
    pub database: Database,
    /// Whether the server needs it: without it, it does not start and is not healthy.
    pub required: bool,
}

impl Default for Backend {
    fn default() -> Self {
        Self { database: Database::default(), required: true }
    }
}

/// Parses the mapping of backends. No message repeats a value: it may hold a password.
pub(super) fn read(node: &Spanned<Node>) -> Result<BTreeMap<String, Backend>, Mistakes<'_>> {
    let Node::Map(entries) = &node.value else {
        return Err(vec![(
            node,
            format!("is {}; a mapping of backends by name is allowed", node.value.shape()),
        )]);
    };
    let (mut backends, mut mistakes) = (BTreeMap::new(), Vec::new());
    if entries.len() > MAX {
        mistakes.push((node, format!("has {} backends; 1 to {MAX} are allowed", entries.len())));
    }
    for (name, value) in entries {
        if !is_name(&name.value) {
            let why = "has a backend whose name is malformed; 1 to 64 of a-z, 0-9, '-' and '_' are allowed, starting with a \
                       letter";
            mistakes.push((value, why.to_owned()));
        }
        if let Some(backend) = backend(value, &mut mistakes) {
            backends.insert(name.value.clone(), backend);
        }
    }
    if mistakes.is_empty() { Ok(backends) } else { Err(mistakes) }
}

/// Whether a text is the name of a backend: it is also a part of the name by which health answers, `backend/NAME`.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    name.len() <= 64 && name.starts_with(|char: char| char.is_ascii_lowercase()) && name.bytes().all(allowed)
}

fn backend<'a>(node: &'a Spanned<Node>, mistakes: &mut Mistakes<'a>) -> Option<Backend> {
    let before = mistakes.len();
    let (mut config, mut required) = (Config::default(), true);
    let mut values = Vec::new();
    flatten("", node, &mut values, mistakes);
    // In the table's order, since `url` must come before the keys that override it.
    values.sort_by_key(|(path, _)| SETTINGS.iter().position(|setting| is_key(setting, path)));
    for (path, value) in &values {
        if path == "required" {
            match text(value, mistakes) {
                Some("true") => required = true,
                Some("false") => required = false,
                Some(_) => mistakes.push((value, "required is not true or false".to_owned())),
                None => {}
            }
            continue;
        }
        let Some(setting) = SETTINGS.iter().find(|setting| is_key(setting, path)) else {
            let shown = shown_key(path, &known());
            mistakes.push((
                value,
                format!("{shown} is not a key of a backend; it has required, {}", known().join(", ")),
            ));
            continue;
        };
        let Some(text) = text(value, mistakes) else { continue };
        if (setting.set)(&mut config, text).is_none() {
            mistakes.push((value, format!("{path}: the value is not {}", setting.allowed)));
        }
    }
    let database = config.database;
    if mistakes.len() == before {
        mistakes.extend(contradiction(&database, "").map(|why| (node, why)));
    }
    (mistakes.len() == before).then_some(Backend { database, required })
}

/// What contradicts itself in the settings of a database, whose keys begin with `section`.
pub(super) fn contradiction(database: &Database, section: &str) -> Option<String> {
    match (database.kind, &database.url) {
        (DatabaseKind::Postgres, None) => Some(format!(
            "{section}type is postgres and {section}url is not set; write postgres://user:password@host/database"
        )),
        (DatabaseKind::Sqlite, Some(_)) => Some(format!(
            "{section}type is sqlite and {section}url is the address of a Postgres database; set one of them"
        )),
        (DatabaseKind::Kafka, _) => kafka_contradiction(database, section),
        (DatabaseKind::Postgres, Some(_)) | (DatabaseKind::Sqlite, None) | (DatabaseKind::Memory, _) => None,
    }
}

/// What contradicts itself in the settings of Kafka.
fn kafka_contradiction(database: &Database, section: &str) -> Option<String> {
    let kafka = &database.kafka;
    if kafka.brokers.is_empty() {
        return Some(format!(
            "{section}type is kafka and {section}kafka.brokers is not set; write the addresses of brokers, such as one:9092,two:9092"
        ));
    }
    let sasl = kafka.sasl.as_ref();
    let (has_user, has_password) =
        (sasl.is_some_and(|sasl| !sasl.username.is_empty()), database.kafka_password_file.is_some());
    if (sasl.is_some() || has_password) && !(has_user && has_password) {
        return Some(format!(
            "{section}kafka.username and {section}kafka.password_file must be set together, and {section}kafka.mechanism only \
             with them"
        ));
    }
    let tls = kafka.tls.as_ref();
    if tls.is_some_and(|tls| tls.cert.is_some() != tls.key.is_some()) {
        return Some(format!("{section}kafka.tls.cert and {section}kafka.tls.key must be set together"));
    }
    // Whether this build has what they need is checked when the backend is opened.
    None
}

fn is_key(setting: &Setting, path: &str) -> bool {
    setting.path.strip_prefix(SECTION) == Some(path)
}

fn known() -> Vec<&'static str> {
    SETTINGS.iter().filter_map(|setting| setting.path.strip_prefix(SECTION)).collect()
}

/// The values of a mapping by their paths, such as `sqlite.readers`. A key without a value is ignored.
fn flatten<'a>(
    path: &str,
    node: &'a Spanned<Node>,
    values: &mut Vec<(String, &'a Spanned<Node>)>,
    mistakes: &mut Mistakes<'a>,
) {
    match &node.value {
        Node::Map(entries) => {
            for (key, value) in entries {
                let path = if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
                flatten(&path, value, values, mistakes);
            }
        }
        Node::Null => {}
        Node::Scalar(_) | Node::List(_) if path.is_empty() => {
            let shape = node.value.shape();
            mistakes.push((
                node,
                format!("a backend is {shape}; a mapping is allowed, with the keys of database"),
            ));
        }
        Node::Scalar(_) | Node::List(_) => values.push((path.to_owned(), node)),
    }
}

/// The keys of a backend that are not at their defaults, in the table's order, for display.
pub(super) fn shown(backend: &Backend) -> Vec<(&'static str, String)> {
    let config = Config { database: backend.database.clone(), ..Config::default() };
    let shown = SETTINGS.iter().filter_map(|setting| {
        let path = setting.path.strip_prefix(SECTION)?;
        let value = (setting.show)(&config)?;
        let is_default = (setting.show)(&Config::default()).as_ref() == Some(&value);
        (path == "type" || !is_default).then_some((path, value))
    });
    shown.chain((!backend.required).then(|| ("required", "false".to_owned()))).collect()
}
