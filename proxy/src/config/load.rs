//! Gathers the configuration from all its sources, and everything that is wrong with them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;

use super::names::{is_service_link, unknown_key, unknown_variable};
use super::node::{Node, Spanned, parse};
use super::settings::{SETTINGS, Setting, TOKENS, all_paths, variable};
use super::values::is_loopback;
use super::{AuthMode, Config, DatabaseKind, tokens};

/// Where a configuration may come from. Not `Debug`: each of them may hold a secret.
#[derive(Clone, Default)]
pub struct Sources {
    /// A file's name and its text.
    pub file: Option<(PathBuf, String)>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// What was said on the command line.
    pub flags: Flags,
}

/// What can be said on the command line. Not `Debug`: a URL with a password may stand where a path should.
#[derive(Clone, Default)]
pub struct Flags {
    /// `server.listen`.
    pub listen: Option<String>,
    /// `database.path`, and `database.type: sqlite` with it.
    pub database: Option<String>,
}

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `file:line:column`, a variable or a flag.
    pub place: String,
    /// The key, what is wrong with it and what is allowed.
    pub message: String,
}

/// Everything that is wrong, at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not valid")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {}: {}", problem.place, problem.message))
    }
}

impl std::error::Error for Problems {}

/// Variables of the command line's other commands, and of tests: they begin alike and are no keys.
const OTHER_VARIABLES: &[&str] = &["PRISM_CONFIG", "PRISM_ENDPOINT", "PRISM_TOKEN"];
/// `database.url` by the name that other programs know too.
const DATABASE_URL: &str = "DATABASE_URL";
const TEST_VARIABLES: &str = "PRISM_TEST_";

/// The configuration that the sources mean together, or all that is wrong with them.
pub fn load(sources: &Sources) -> Result<Config, Problems> {
    let mut loader = Loader {
        config: Config::default(),
        places: BTreeMap::new(),
        problems: Vec::new(),
        variables: sources
            .environment
            .iter()
            .filter(|(name, value)| has_a_say(name, value))
            .cloned()
            .collect(),
        secrets: Vec::new(),
        unread_tokens: false,
        dropped_at: None,
    };
    if let Some((path, text)) = &sources.file {
        loader.file(&path.display().to_string(), text);
    }
    loader.environment();
    loader.flags(&sources.flags);
    loader.whole();
    if loader.problems.is_empty() { Ok(loader.config) } else { Err(Problems(loader.problems)) }
}

/// Whether a variable says something: an empty one is as if it were not set, and one that Kubernetes sets for a Service
/// is not meant for Prism.
fn has_a_say(name: &str, value: &str) -> bool {
    let prisms = name.starts_with("PRISM_");
    !((prisms || name == DATABASE_URL) && value.trim().is_empty())
        && !(prisms && is_service_link(name, value))
}

struct Loader {
    config: Config,
    /// Who had the last word on each key.
    places: BTreeMap<&'static str, String>,
    problems: Vec<Problem>,
    variables: HashMap<String, String>,
    /// Variables that hold a token, as the configuration says.
    secrets: Vec<String>,
    /// Tokens were given that could not be read, so that there being none says nothing.
    unread_tokens: bool,
    /// Where an empty list takes the place of tokens.
    dropped_at: Option<String>,
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
        // In the table's order, since `url` must come before the keys that have the last word.
        let mut sorted: Vec<_> = entries.iter().collect();
        sorted.sort_by_key(|(key, _)| position(&join(path, &key.value)));
        for (key, value) in sorted {
            let (section, path) = (path, join(path, &key.value));
            if path == TOKENS {
                self.secrets.extend(variables_of_tokens(&value.value));
                self.tokens(value, &|at| place(file, at));
            } else if let Some(setting) = SETTINGS.iter().find(|setting| setting.path == path) {
                match &value.value {
                    // A key without a value says nothing, so that an example can name it.
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
        let tokens = variable(TOKENS);
        if let Some(text) = self.variables.get(&tokens).cloned() {
            match parse(&text) {
                Ok(list) => self.tokens_of_the_environment(&list, &tokens),
                Err(error) => {
                    self.unread_tokens = true;
                    self.problem(format!("{tokens}:{}", error.at), not_yaml(&error.why));
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

    fn tokens_of_the_environment(&mut self, list: &Spanned<Node>, variable: &str) {
        let named = variables_of_tokens(&list.value);
        if !named.is_empty() {
            self.secrets = named;
        }
        if matches!(&list.value, Node::List(elements) if elements.is_empty())
            && !self.config.auth.tokens.is_empty()
        {
            self.dropped_at = Some(variable.to_owned());
        }
        self.tokens(list, &|at| place(variable, at));
    }

    fn knows(&self, name: &str) -> bool {
        all_paths().any(|path| variable(path) == name)
            || OTHER_VARIABLES.contains(&name)
            || name.starts_with(TEST_VARIABLES)
            || self.secrets.iter().any(|secret| secret == name)
    }

    fn flags(&mut self, flags: &Flags) {
        let said =
            [("server.listen", &flags.listen, "--listen"), ("database.path", &flags.database, "--database")];
        for (path, text, flag) in said {
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
            // The value is never repeated: it may be a secret that was meant for another key.
            let value = if text.trim().is_empty() { "an empty value" } else { "the value" };
            self.problem(place, format!("{}: {value} is not {}", setting.path, setting.allowed));
        }
    }

    fn tokens(&mut self, list: &Spanned<Node>, place: &dyn Fn(&Spanned<Node>) -> String) {
        if matches!(list.value, Node::Null) {
            return;
        }
        match tokens::read(list, &self.variables) {
            Ok((tokens, files)) => {
                self.config.auth.tokens = tokens;
                self.config.auth.token_files = files;
            }
            Err(mistakes) => {
                self.unread_tokens = true;
                for (at, message) in mistakes {
                    self.problem(place(at), format!("{TOKENS}: {message}"));
                }
            }
        }
    }

    /// What no single key can be blamed for.
    fn whole(&mut self) {
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
        let database = &self.config.database;
        if database.kind == DatabaseKind::Postgres && database.url.is_none() {
            let message = "database.type is postgres and database.url is not set; write \
                           postgres://user:password@host/database";
            self.problem(self.place("database.type"), message);
        } else if database.kind == DatabaseKind::Sqlite && database.url.is_some() {
            let message = "database.type is sqlite and database.url is the address of a Postgres database; set one of them";
            self.problem(self.place("database.type"), message);
        }
        self.access();
    }

    /// Who may call: nothing but `auth.mode: insecure` opens a server that others can reach, or drops tokens.
    fn access(&mut self) {
        let auth = &self.config.auth;
        if auth.mode == Some(AuthMode::Insecure) || self.unread_tokens {
            return;
        }
        if let Some(place) = self.dropped_at.take() {
            let message = "auth.tokens is an empty list in place of tokens that another source gives; leave it out to keep \
                           them, or write auth.mode: insecure to serve without tokens";
            return self.problem(place, message);
        }
        if !auth.tokens.is_empty() {
            return;
        }
        if auth.mode == Some(AuthMode::Required) {
            let message = "auth.mode is required and there are no auth.tokens; give some, or write auth.mode: insecure to \
                           serve everybody";
            self.problem(self.place("auth.mode"), message);
        } else if is_loopback(&self.config.server.listen) == Some(false) {
            self.problem(self.place("server.listen"), OPEN_BEYOND_LOOPBACK);
        }
    }

    fn place(&self, path: &'static str) -> String {
        self.places.get(path).cloned().unwrap_or_else(|| path.to_owned())
    }
}

/// Why a server without tokens does not listen on an address that others can reach.
pub(crate) const OPEN_BEYOND_LOOPBACK: &str = "server.listen is an address that other machines can reach, and there are no auth.tokens, so whoever reaches it could \
     read and write everything; give auth.tokens, listen on loopback, or write auth.mode: insecure \
     (PRISM_AUTH_MODE=insecure)";

fn not_yaml(why: &str) -> String {
    format!("is not YAML that can be read: {why}")
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

/// The variables in which a list of tokens says that secrets stand.
fn variables_of_tokens(list: &Node) -> Vec<String> {
    let mut variables = Vec::new();
    let Node::List(elements) = list else { return variables };
    for element in elements {
        let Node::Map(entries) = &element.value else { continue };
        for (key, value) in entries {
            if let ("env", Node::Scalar(name)) = (key.value.as_str(), &value.value) {
                variables.push(name.clone());
            }
        }
    }
    variables
}
