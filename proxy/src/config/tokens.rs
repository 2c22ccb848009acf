//! Bearer tokens: holder, permissions and namespaces. Only the SHA-256 of the secret is kept.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use prism_contract::Namespace;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::names::shown_key;
use super::node::{Node, Spanned};

/// A caller and its permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The caller's name, for the log.
    pub name: String,
    /// The SHA-256 of its secret.
    pub digest: Digest,
    /// Its permissions; the schema declares those that each method requires.
    pub permissions: Vec<Permission>,
    /// The namespaces it is limited to; `None`: all.
    pub namespaces: Option<Vec<NamespaceRule>>,
}

/// A permission that a method may require.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Get, Scan and Describe.
    Read,
    /// Put and Delete.
    Write,
}

impl Permission {
    /// Its name, in the configuration and in the schema.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// A namespace, or all with a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceRule {
    /// One namespace: `orders`.
    Exactly(String),
    /// All with this prefix: `orders-*`.
    Prefix(String),
}

impl NamespaceRule {
    /// Whether it allows `namespace`.
    pub fn allows(&self, namespace: &str) -> bool {
        match self {
            Self::Exactly(name) => name == namespace,
            Self::Prefix(prefix) => namespace.starts_with(prefix),
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let (rule, name): (fn(String) -> Self, _) = match text.strip_suffix('*') {
            Some(prefix) => (Self::Prefix, prefix),
            None => (Self::Exactly, text),
        };
        Namespace::new(name).is_ok().then(|| rule(name.to_owned()))
    }
}

impl fmt::Display for NamespaceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(name) => f.write_str(name),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

/// The SHA-256 of a secret, compared in constant time.
#[derive(Clone)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a secret.
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    fn from_hex(text: &str) -> Option<Self> {
        let mut digest = [0; 32];
        if text.len() != 64 || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, at) in digest.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(Self(digest))
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Errors in tokens, each with its node.
pub(super) type Mistakes<'a> = Vec<(&'a Spanned<Node>, String)>;

/// Parses the list of tokens, and returns the files it refers to. Secrets are read from `variables` and from files where
/// the list refers to those. No message repeats text of the list: any part of it may be a secret.
pub(super) fn read<'a>(
    list: &'a Spanned<Node>,
    variables: &HashMap<String, String>,
) -> Result<(Vec<Token>, Vec<PathBuf>), Mistakes<'a>> {
    let Node::List(elements) = &list.value else {
        return Err(vec![(list, format!("is {}; a list of tokens is allowed", list.value.shape()))]);
    };
    let (mut tokens, mut files, mut mistakes) = (Vec::<Token>::new(), Vec::new(), Vec::new());
    for element in elements {
        let Some(token) = token(element, variables, &mut files, &mut mistakes) else { continue };
        if tokens.iter().any(|other| other.name == token.name) {
            mistakes.push((element, "has the name of another token".to_owned()));
        } else if tokens.iter().any(|other| other.digest == token.digest) {
            mistakes.push((element, "has the secret of another token".to_owned()));
        }
        tokens.push(token);
    }
    if mistakes.is_empty() { Ok((tokens, files)) } else { Err(mistakes) }
}

fn token<'a>(
    element: &'a Spanned<Node>,
    variables: &HashMap<String, String>,
    files: &mut Vec<PathBuf>,
    mistakes: &mut Mistakes<'a>,
) -> Option<Token> {
    const NAMES: [&str; 6] = ["name", "sha256", "file", "env", "permissions", "namespaces"];
    const KEYS: &str = "name, sha256, file, env, permissions and namespaces are allowed";
    let Node::Map(entries) = &element.value else {
        let shape = element.value.shape();
        mistakes.push((element, format!("is {shape}; a mapping is allowed, in which {KEYS}")));
        return None;
    };
    let before = mistakes.len();
    let (mut name, mut secrets, mut permissions, mut namespaces) = (None, Vec::new(), None, None);
    for (key, value) in entries {
        match key.value.as_str() {
            "name" => name = text(value, mistakes),
            "sha256" | "file" | "env" => {
                secrets.extend(text(value, mistakes).map(|text| (key.value.as_str(), text, value)));
            }
            "permissions" => permissions = each(value, mistakes, permission, "write read or write"),
            "namespaces" => {
                let allowed = "write a namespace, or the beginning of some and *, such as orders or orders-*";
                namespaces = each(value, mistakes, NamespaceRule::read, allowed);
            }
            unknown => {
                let shown = shown_key(unknown, &NAMES);
                mistakes.push((value, format!("{shown} is not a key of a token; {KEYS}")));
            }
        }
    }
    let digest = if let [(kind, text, value)] = secrets[..] {
        if kind == "file" {
            files.push(PathBuf::from(text));
        }
        digest(kind, text, variables).map_err(|why| mistakes.push((value, why))).ok()
    } else {
        mistakes.push((element, "needs exactly one of sha256, file and env".to_owned()));
        None
    };
    if name.is_none_or(str::is_empty) {
        mistakes.push((element, "needs a name".to_owned()));
    }
    if permissions.as_ref().is_none_or(Vec::is_empty) {
        mistakes.push((element, "needs permissions; write [read], [write] or [read, write]".to_owned()));
    }
    if mistakes.len() > before {
        return None;
    }
    Some(Token { name: name?.to_owned(), digest: digest?, permissions: permissions?, namespaces })
}

fn permission(text: &str) -> Option<Permission> {
    [Permission::Read, Permission::Write].into_iter().find(|permission| permission.name() == text)
}

pub(super) fn text<'a>(value: &'a Spanned<Node>, mistakes: &mut Mistakes<'a>) -> Option<&'a str> {
    if let Node::Scalar(text) = &value.value {
        return Some(text);
    }
    mistakes.push((value, format!("is {}; a single value is allowed", value.value.shape())));
    None
}

pub(super) fn each<'a, T>(
    value: &'a Spanned<Node>,
    mistakes: &mut Mistakes<'a>,
    read: fn(&str) -> Option<T>,
    allowed: &str,
) -> Option<Vec<T>> {
    let Node::List(elements) = &value.value else {
        mistakes.push((value, format!("is {}; a list is allowed", value.value.shape())));
        return None;
    };
    let mut all = Vec::new();
    for element in elements {
        let Some(text) = text(element, mistakes) else { continue };
        match read(text) {
            Some(one) => all.push(one),
            None => mistakes.push((element, format!("the value is not allowed here; {allowed}"))),
        }
    }
    Some(all)
}

/// The digest of a secret, given directly, in a file or in a variable. No message repeats the secret, nor the name of a
/// missing file or variable: it may be the secret itself, in the wrong place.
fn digest(kind: &str, text: &str, variables: &HashMap<String, String>) -> Result<Digest, String> {
    let secret = match kind {
        "sha256" => {
            return Digest::from_hex(text).ok_or_else(|| {
                "sha256 is not 64 hexadecimal digits; it is the SHA-256 of the token".to_owned()
            });
        }
        "file" => std::fs::read_to_string(text).map_err(|why| {
            format!("the file cannot be read: {why}; write the path of a file that holds the token")
        })?,
        _ => variables.get(text).cloned().ok_or_else(|| {
            "the variable is not set; write the name of a variable that holds the token".to_owned()
        })?,
    };
    // Files usually end with a newline.
    match secret.trim() {
        "" if kind == "file" => Err("the file holds an empty token".to_owned()),
        "" => Err("the variable holds an empty token".to_owned()),
        secret => Ok(Digest::of(secret.as_bytes())),
    }
}
