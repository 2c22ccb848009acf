//! Merges the configuration from all sources, and collects all errors.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;

use super::names::{is_service_link, unknown_key, unknown_variable};
use super::node::{Node, Spanned, parse};
use super::settings::{
    BACKENDS, GRANTS, JWT, KEYS, RULES, SETTINGS, Setting, TOKENS, all_paths, structures, variable,
};
use super::values::is_loopback;
use super::{AuthMode, Config, DatabaseKind, Undeclared, backends, encryption, grants, jwt, rules, tokens};

/// The sources of a configuration. Not `Debug`: each may contain a secret.
#[derive(Clone, Default)]
pub struct Sources {
    /// A file's name and its text.
    pub file: Option<(PathBuf, String)>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// Command line flags.
    pub flags: Flags,
}

/// Command line flags. Not `Debug`: a path may mistakenly be a URL with a password.
#[derive(Clone, Default)]
pub struct Flags {
    /// `server.listen`.
    pub listen: Option<String>,
    /// `database.path`, and `database.type: sqlite` with it.
    pub database: Option<String>,
}

/// One error and its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `file:line:column`, a variable or a flag.
    pub place: String,
    /// The key, the fault and the allowed values.
    pub message: String,
}

/// All errors, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not valid")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {}: {}", problem.place, problem.message))
    }
}

impl std::error::Error for Problems {}

/// `PRISM_` variables of the command line that are not configuration keys.
const OTHER_VARIABLES: &[&str] = &["PRISM_CONFIG", "PRISM_ENDPOINT", "PRISM_TOKEN"];
/// `database.url` under the name that other programs use too.
const DATABASE_URL: &str = "DATABASE_URL";
const TEST_VARIABLES: &str = "PRISM_TEST_";

/// The configuration merged from the sources, or all their errors.
pub fn load(sources: &Sources) -> Result<Config, Problems> {
    let mut loader = Loader {
        config: Config::default(),
        places: BTreeMap::new(),
        problems: Vec::new(),
        variables: sources
            .environment
            .iter()
            .filter(|(name, value)| is_effective(name, value))
            .cloned()
            .collect(),
        secrets: Vec::new(),
        unread_callers: false,
        unread_keys: false,
        dropped: None,
    };
    if let Some((path, text)) = &sources.file {
        loader.file(&path.display().to_string(), text);
    }
    loader.environment();
    loader.flags(&sources.flags);
    loader.combinations();
    if loader.problems.is_empty() { Ok(loader.config) } else { Err(Problems(loader.problems)) }
}

/// Whether a variable counts: empty ones are as good as unset, and Kubernetes service links are not meant for Prism.
fn is_effective(name: &str, value: &str) -> bool {
    let is_prefixed = name.starts_with("PRISM_");
    !((is_prefixed || name == DATABASE_URL) && value.trim().is_empty())
        && !(is_prefixed && is_service_link(name, value))
}

struct Loader {
    config: Config,
    /// The source that set each key last.
    places: BTreeMap<&'static str, String>,
    problems: Vec<Problem>,
    variables: HashMap<String, String>,
    /// Variables that contain a token or a master key, according to the configuration, and the key that says so.
    secrets: Vec<(&'static str, String)>,
    /// Some tokens, issuers or grants could not be parsed, so an empty list does not mean that none were configured.
    unread_callers: bool,
    /// Some master keys could not be read, so an empty list does not mean that none were configured.
    unread_keys: bool,
    /// An empty list that replaced entries of another source, and its place.
    dropped: Option<(&'static str, String)>,
}

impl Loader {
    fn problem(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { place: place.into(), message: message.into() });
    }

    fn file(&mut self, name: &str, text: &str) {
        match parse(text) {
            Ok(document) => self.section(name, "", &document),
            Err(error) => self.problem(format!("{name}:{}", error.at), not_yaml(&error.why)),
        }
    }

    fn section(&mut self, file: &str, path: &str, section: &Spanned<Node>) {
        let entries = match &section.value {
            Node::Null => return,
            Node::Map(entries) => entries,
            Node::Scalar(_) | Node::List(_) => {
                let shape = section.value.shape();
                let path = if path.is_empty() { "the file" } else { path };
                let message =
                    format!("{path} is {shape}; a mapping is allowed, with the keys of the section");
                return self.problem(place(file, section), message);
            }
        };
        // In the table's order, since `url` must come before the keys that override it.
        let mut sorted: Vec<_> = entries.iter().collect();
        sorted.sort_by_key(|(key, _)| position(&join(path, &key.value)));
        for (key, value) in sorted {
            let (section, path) = (path, join(path, &key.value));
            if let Some(structure) = structures().find(|known| *known == path) {
                self.secrets.extend(secret_variables(structure, &value.value));
                self.structure(structure, value, &|at| place(file, at));
            } else if let Some(setting) = SETTINGS.iter().find(|setting| setting.path == path) {
                match &value.value {
                    // A key without a value is ignored, so that an example can list it.
                    Node::Null => {}
                    Node::Scalar(text) => self.set(setting, text, place(file, value)),
                    Node::List(_) | Node::Map(_) => {
                        let message = format!("{path} is {}; a single value is allowed", value.value.shape());
                        self.problem(place(file, value), message);
                    }
                }
            } else if all_paths()
                .any(|known| known.strip_prefix(&*path).is_some_and(|rest| rest.starts_with('.')))
            {
                self.section(file, &path, value);
            } else {
                self.problem(format!("{file}:{}", key.at), unknown_key(section, &key.value));
            }
        }
    }

    fn environment(&mut self) {
        let mut variables: Vec<_> = self.variables.clone().into_iter().collect();
        variables.sort();
        if let Some(url) = self.variables.get(DATABASE_URL).cloned() {
            let setting = SETTINGS.iter().find(|setting| setting.path == "database.url");
            self.set(setting.expect("database.url is a key"), &url, DATABASE_URL.to_owned());
        }
        for setting in SETTINGS {
            if let Some(text) = self.variables.get(&setting.variable()).cloned() {
                self.set(setting, &text, setting.variable());
            }
        }
        for path in structures() {
            let variable = variable(path);
            let Some(text) = self.variables.get(&variable).cloned() else { continue };
            match parse(&text) {
                Ok(value) => self.structure_of_the_environment(path, &value, &variable),
                Err(error) => {
                    self.unread_callers |= is_of_callers(path);
                    self.unread_keys |= path == KEYS;
                    self.problem(format!("{variable}:{}", error.at), not_yaml(&error.why));
                }
            }
        }
        for (name, _) in variables {
            if name.starts_with("PRISM_") && !self.knows(&name) {
                let message = unknown_variable(&name);
                self.problem(name, message);
            }
        }
    }

    fn structure_of_the_environment(&mut self, path: &'static str, value: &Spanned<Node>, variable: &str) {
        let named = secret_variables(path, &value.value);
        if !named.is_empty() {
            self.secrets.retain(|(of, _)| *of != path);
            self.secrets.extend(named);
        }
        let auth = &self.config.auth;
        let replaced = [(TOKENS, auth.tokens.len()), (JWT, auth.jwt.len()), (GRANTS, auth.grants.len())];
        if matches!(&value.value, Node::List(elements) if elements.is_empty())
            && replaced.iter().any(|(replaced, count)| *replaced == path && *count > 0)
        {
            self.dropped = Some((path, variable.to_owned()));
        }
        self.structure(path, value, &|at| place(variable, at));
    }

    fn knows(&self, name: &str) -> bool {
        all_paths().any(|path| variable(path) == name)
            || OTHER_VARIABLES.contains(&name)
            || name.starts_with(TEST_VARIABLES)
            || self.secrets.iter().any(|(_, secret)| secret == name)
    }

    fn flags(&mut self, flags: &Flags) {
        let flag_values =
            [("server.listen", &flags.listen, "--listen"), ("database.path", &flags.database, "--database")];
        for (path, text, flag) in flag_values {
            let setting = SETTINGS.iter().find(|setting| setting.path == path);
            if let (Some(setting), Some(text)) = (setting, text) {
                self.set(setting, text, flag.to_owned());
            }
        }
        if flags.database.is_some() {
            (self.config.database.kind, self.config.database.url) = (DatabaseKind::Sqlite, None);
        }
    }

    fn set(&mut self, setting: &'static Setting, text: &str, place: String) {
        if (setting.set)(&mut self.config, text).is_some() {
            self.places.insert(setting.path, place);
        } else {
            // The value is never repeated: it may be a secret meant for another key.
            let value = if text.trim().is_empty() { "an empty value" } else { "the value" };
            self.problem(place, format!("{}: {value} is not {}", setting.path, setting.allowed));
        }
    }

    /// Reads a list or a mapping. A key without a value is ignored.
    fn structure(
        &mut self,
        path: &'static str,
        value: &Spanned<Node>,
        place: &dyn Fn(&Spanned<Node>) -> String,
    ) {
        if matches!(value.value, Node::Null) {
            return;
        }
        self.places.insert(path, place(value));
        let config = &mut self.config;
        let read = match path {
            BACKENDS => backends::read(value).map(|backends| config.backends = backends),
            RULES => rules::read(value).map(|rules| config.namespaces.rules = rules),
            KEYS => encryption::read(value, &self.variables).map(|keys| config.encryption.keys = keys),
            JWT => jwt::read(value).map(|issuers| config.auth.jwt = issuers),
            GRANTS => grants::read(value).map(|grants| config.auth.grants = grants),
            _ => tokens::read(value, &self.variables)
                .map(|(tokens, files)| (config.auth.tokens, config.auth.token_files) = (tokens, files)),
        };
        if let Err(mistakes) = read {
            self.unread_callers |= is_of_callers(path);
            self.unread_keys |= path == KEYS;
            for (at, message) in mistakes {
                self.problem(place(at), format!("{path}: {message}"));
            }
        }
    }

    /// Checks combinations of keys.
    fn combinations(&mut self) {
        let tls = &self.config.server.tls;
        let (cert, key, client_ca) = (tls.cert.is_some(), tls.key.is_some(), tls.client_ca.is_some());
        if cert != key {
            let (has, lacks) = if cert { ("cert", "key") } else { ("key", "cert") };
            let message = format!("server.tls.{has} is set and server.tls.{lacks} is not; TLS needs both");
            let place = self.place(if cert { "server.tls.cert" } else { "server.tls.key" });
            self.problem(place, message);
        } else if client_ca && !cert {
            let message =
                "server.tls.client_ca is set without server.tls.cert and server.tls.key; TLS needs both";
            self.problem(self.place("server.tls.client_ca"), message);
        }
        if let Some(why) = backends::contradiction(&self.config.database, "database.") {
            self.problem(self.place("database.type"), why);
        }
        self.namespaces();
        self.encryption();
        self.audit();
        self.access();
    }

    /// Each rule has a backend that exists, and the keys of `database` are not set beside `backends`.
    fn namespaces(&mut self) {
        let beside = self.places.iter().find(|(path, _)| path.starts_with("database."));
        if let (false, Some((path, place))) = (self.config.backends.is_empty(), beside) {
            let (place, path) = (place.clone(), *path);
            self.problem(place, format!("{path} is set beside backends; set it in one of the backends"));
        }
        let names: Vec<_> = self.config.all_backends().into_keys().collect();
        let namespaces = self.config.namespaces.clone();
        let (is_only, default) = (names.len() == 1, namespaces.default_backend.as_deref());
        if let Some(name) = default.filter(|name| !names.iter().any(|known| known == name)) {
            let message = format!(
                "namespaces.default_backend: there is no backend '{name}'; there is {}",
                names.join(", ")
            );
            self.problem(self.place("namespaces.default_backend"), message);
        }
        let needs_default = default.is_none() && !is_only;
        if needs_default && namespaces.undeclared == Undeclared::Allow {
            let message = "there are several backends and no namespaces.default_backend for namespaces without a rule; set it, \
                           or write namespaces.undeclared: refuse";
            self.problem(self.place(BACKENDS), message);
        }
        self.kafka();
        for rule in &namespaces.rules {
            let name = match &rule.backend {
                Some(name) if names.contains(name) => continue,
                Some(name) => format!("there is no backend '{name}'; there is {}", names.join(", ")),
                None if needs_default => {
                    "it has no backend, and there is no namespaces.default_backend".to_owned()
                }
                None => continue,
            };
            self.problem(self.place(RULES), format!("{RULES}: {}: {name}", rule.namespaces));
        }
    }

    /// Kafka keeps TimeSeries alone, and only with an acceptance window that has bounds.
    fn kafka(&mut self) {
        let backends = self.config.all_backends();
        let is_kafka = |name: &str| {
            backends.get(name).is_some_and(|backend| backend.database.kind == DatabaseKind::Kafka)
        };
        let namespaces = self.config.namespaces.clone();
        let is_only = backends.len() == 1;
        let default =
            namespaces.default_backend.or_else(|| backends.keys().next().filter(|_| is_only).cloned());
        if default.as_deref().is_some_and(is_kafka) {
            let (path, why) = if is_only {
                ("database.type", "the only backend is of type kafka")
            } else {
                ("namespaces.default_backend", "namespaces.default_backend is of type kafka")
            };
            let message = format!(
                "{why}, which keeps TimeSeries alone; the definitions of namespaces, and namespaces without a rule, need another \
                 backend: add one of type sqlite or postgres as the default, and name the one of type kafka in rules"
            );
            self.problem(self.place(path), message);
        }
        for rule in namespaces.rules.iter().filter(|rule| rule.backend.as_deref().is_some_and(is_kafka)) {
            let why = match rule.abstraction.timeseries() {
                None => "its backend is of type kafka, which keeps TimeSeries alone; write abstraction: timeseries".to_owned(),
                Some(policy) => match prism_backends::kafka::check_policy(policy) {
                    Ok(()) => continue,
                    Err((field, why)) => format!("{field} {why}"),
                },
            };
            self.problem(self.place(RULES), format!("{RULES}: {}: {why}", rule.namespaces));
        }
    }

    /// The active key exists, and namespaces are encrypted only if there are keys.
    fn encryption(&mut self) {
        let ring = self.config.encryption.ring();
        let has_keys = !self.config.encryption.keys.is_empty();
        if self.config.encryption.active.is_some() && !has_keys && !self.unread_keys {
            let message = "encryption.active is set without encryption.keys; add the key that it names";
            self.problem(self.place("encryption.active"), message);
        }
        if ring.is_err() {
            let ids: Vec<_> = self.config.encryption.keys.iter().map(|key| key.key.id()).collect();
            let message = format!(
                "encryption.active is not the id of one of encryption.keys, which are {}; write the one that seals new data",
                ids.join(", ")
            );
            let is_set = self.config.encryption.active.is_some();
            self.problem(self.place(if is_set { "encryption.active" } else { KEYS }), message);
        }
        if !has_keys && !self.unread_keys {
            let rule = self.config.namespaces.rules.iter().find(|rule| rule.encrypt);
            if let Some(rule) = rule.map(|rule| rule.namespaces.to_string()) {
                let message =
                    format!("{RULES}: {rule}: encrypt is true, and there are no encryption.keys; add one");
                self.problem(self.place(RULES), message);
            }
        }
    }

    /// Namespaces are audited only if there is a file.
    fn audit(&mut self) {
        let rule = self.config.namespaces.rules.iter().find(|rule| rule.audit == Some(true));
        let rule = rule.map(|rule| rule.namespaces.to_string());
        if let (Some(rule), None) = (rule, &self.config.audit.file) {
            let message = format!("{RULES}: {rule}: audit is true, and there is no audit.file; set it");
            self.problem(self.place(RULES), message);
        }
    }

    /// Only `auth.mode: insecure` allows a reachable server without callers, or an empty list that replaces the last of them.
    fn access(&mut self) {
        if self.unread_callers {
            return;
        }
        let client_ca = self.config.server.tls.client_ca.is_some();
        for (key, message) in grants::contradictions(&self.config.auth, client_ca) {
            let place = self.place(match key {
                grants::Key::Jwt => JWT,
                grants::Key::Grants => GRANTS,
            });
            self.problem(place, message);
        }
        let auth = &self.config.auth;
        if auth.mode == Some(AuthMode::Insecure) || !auth.is_open() {
            return;
        }
        if let Some((path, place)) = self.dropped.take() {
            let what = path.trim_start_matches("auth.");
            let message = format!(
                "{path} is an empty list that replaces the {what} of another source; leave it out to keep them, or write \
                 auth.mode: insecure to serve without {what}"
            );
            return self.problem(place, message);
        }
        if auth.mode == Some(AuthMode::Required) {
            let message = "auth.mode is required and there are no auth.tokens and no auth.grants; add some, or write \
                           auth.mode: insecure to serve without them";
            self.problem(self.place("auth.mode"), message);
        } else if is_loopback(&self.config.server.listen) == Some(false) {
            self.problem(self.place("server.listen"), OPEN_BEYOND_LOOPBACK);
        }
    }

    fn place(&self, path: &'static str) -> String {
        self.places.get(path).cloned().unwrap_or_else(|| path.to_owned())
    }
}

/// The error for a server without callers on an address that other machines can reach.
pub(crate) const OPEN_BEYOND_LOOPBACK: &str = "server.listen is an address that other machines can reach, and there are no auth.tokens and no auth.grants, so any \
     client could read and write everything; set auth.tokens, or auth.grants with auth.jwt or server.tls.client_ca, listen on \
     loopback, or write auth.mode: insecure (PRISM_AUTH_MODE=insecure)";

fn not_yaml(why: &str) -> String {
    format!("is not valid YAML: {why}")
}

fn place(file: &str, at: &Spanned<Node>) -> String {
    format!("{file}:{}", at.at)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn position(path: &str) -> usize {
    SETTINGS.iter().position(|setting| setting.path == path).unwrap_or(SETTINGS.len())
}

/// Whether the key holds callers: tokens, issuers or grants.
fn is_of_callers(path: &str) -> bool {
    [TOKENS, JWT, GRANTS].contains(&path)
}

/// The variables that a list of tokens or of master keys refers to, each with the key of the list.
fn secret_variables(path: &'static str, list: &Node) -> Vec<(&'static str, String)> {
    let mut variables = Vec::new();
    let Node::List(elements) = list else { return variables };
    if ![TOKENS, KEYS].contains(&path) {
        return variables;
    }
    for element in elements {
        let Node::Map(entries) = &element.value else { continue };
        for (key, value) in entries {
            if let ("env", Node::Scalar(name)) = (key.value.as_str(), &value.value) {
                variables.push((path, name.clone()));
            }
        }
    }
    variables
}
