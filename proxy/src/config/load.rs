//! Gathers the configuration from all its sources, and everything that is wrong with them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;

use super::node::{Node, Spanned};
use super::settings::{SETTINGS, Setting, TOKENS, variable};
use super::{Config, DatabaseKind, tokens};

/// Where a configuration may come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A file's name and its text.
    pub file: Option<(PathBuf, String)>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// What was said on the command line.
    pub flags: Flags,
}

/// What can be said on the command line.
#[derive(Debug, Clone, Default)]
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
const TEST_VARIABLES: &str = "PRISM_TEST_";

/// The configuration that the sources mean together, or all that is wrong with them.
pub fn load(sources: &Sources) -> Result<Config, Problems> {
    let mut loader = Loader {
        config: Config::default(),
        places: BTreeMap::new(),
        problems: Vec::new(),
        variables: sources.environment.iter().cloned().collect(),
        secrets: Vec::new(),
    };
    if let Some((path, text)) = &sources.file {
        loader.file(&path.display().to_string(), text);
    }
    loader.environment();
    loader.flags(&sources.flags);
    loader.whole();
    if loader.problems.is_empty() { Ok(loader.config) } else { Err(Problems(loader.problems)) }
}

struct Loader {
    config: Config,
    /// Who had the last word on each key.
    places: BTreeMap<&'static str, String>,
    problems: Vec<Problem>,
    variables: HashMap<String, String>,
    /// Variables that hold a token, as the configuration says.
    secrets: Vec<String>,
}

impl Loader {
    fn problem(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { place: place.into(), message: message.into() });
    }

    fn file(&mut self, name: &str, text: &str) {
        match parse(text) {
            Ok(document) => self.section(name, "", &document),
            Err((place, why)) => self.problem(format!("{name}{place}"), why),
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
            let path = join(path, &key.value);
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
                let (line, column) = (key.referenced.line(), key.referenced.column());
                self.problem(format!("{file}:{line}:{column}"), unknown_key(&path));
            }
        }
    }

    fn environment(&mut self) {
        let mut variables: Vec<_> = self.variables.clone().into_iter().collect();
        variables.sort();
        if let Some(url) = self.variables.get("DATABASE_URL").cloned() {
            let setting = SETTINGS.iter().find(|setting| setting.path == "database.url");
            self.set(setting.expect("database.url is a key"), &url, "DATABASE_URL".to_owned());
        }
        for setting in SETTINGS {
            if let Some(text) = self.variables.get(&setting.variable()).cloned() {
                self.set(setting, &text, setting.variable());
            }
        }
        let tokens = variable(TOKENS);
        if let Some(text) = self.variables.get(&tokens).cloned() {
            match parse(&text) {
                Ok(list) => {
                    self.secrets = variables_of_tokens(&list.value);
                    self.tokens(&list, &|at| place(&tokens, at));
                }
                Err((place, why)) => self.problem(format!("{tokens}{place}"), why),
            }
        }
        for (name, _) in variables {
            if name.starts_with("PRISM_") && !self.knows(&name) {
                let known = all_paths().map(variable).collect::<Vec<_>>();
                let message = format!("is not a variable of prism{}", did_you_mean(&name, &known));
                self.problem(name, message);
            }
        }
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
        } else if setting.path == "database.url" {
            // It may hold a password.
            self.problem(place, format!("{} is not {}", setting.path, setting.allowed));
        } else {
            self.problem(place, format!("{}: '{text}' is not {}", setting.path, setting.allowed));
        }
    }

    fn tokens(&mut self, list: &Spanned<Node>, place: &dyn Fn(&Spanned<Node>) -> String) {
        match tokens::read(list, &self.variables) {
            Ok(tokens) => self.config.auth.tokens = tokens,
            Err(mistakes) => {
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
    }

    fn place(&self, path: &'static str) -> String {
        self.places.get(path).cloned().unwrap_or_else(|| path.to_owned())
    }
}

/// The tree of a document, or where it stops being one and why.
fn parse(text: &str) -> Result<Spanned<Node>, (String, String)> {
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    serde_saphyr::from_str_with_options::<Option<Spanned<Node>>>(text, options)
        .map(|document| document.unwrap_or_else(nothing))
        .map_err(|error| {
            let at = error.location().map(|at| format!(":{}:{}", at.line(), at.column())).unwrap_or_default();
            (at, format!("is not YAML that can be read: {error}"))
        })
}

fn nothing() -> Spanned<Node> {
    Spanned::new(Node::Null, serde_saphyr::Location::UNKNOWN, serde_saphyr::Location::UNKNOWN)
}

fn place(file: &str, at: &Spanned<Node>) -> String {
    format!("{file}:{}:{}", at.referenced.line(), at.referenced.column())
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn all_paths() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.path).chain([TOKENS])
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

fn unknown_key(path: &str) -> String {
    let depth = path.matches('.').count();
    let known: Vec<_> = all_paths()
        .filter_map(|known| {
            known.match_indices('.').map(|(at, _)| at).chain([known.len()]).nth(depth).map(|at| &known[..at])
        })
        .map(str::to_owned)
        .collect();
    let section = path.rsplit_once('.').map_or("", |(section, _)| section);
    let mut siblings: Vec<_> = known
        .iter()
        .filter(|known| known.rsplit_once('.').map_or("", |(section, _)| section) == section)
        .map(|known| known.rsplit('.').next().unwrap_or_default())
        .collect();
    siblings.dedup();
    let within = if section.is_empty() { "the file".to_owned() } else { format!("'{section}'") };
    format!("'{path}' is not a key{}; {within} holds {}", did_you_mean(path, &known), siblings.join(", "))
}

/// The nearest name, if one is near enough to be a slip of the finger.
fn did_you_mean(name: &str, known: &[String]) -> String {
    let nearest = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
    match nearest {
        Some((distance, known)) if distance <= 3.max(name.len() / 5) => format!("; did you mean '{known}'?"),
        _ => String::new(),
    }
}
