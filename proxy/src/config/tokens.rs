//! Bearer tokens: who holds one, what it permits and where. The secret itself is never kept, only its SHA-256.

use std::collections::HashMap;
use std::fmt;

use prism_contract::keyvalue::Namespace;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::node::{Node, Spanned};

/// A caller and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Who it is, for the log.
    pub name: String,
    /// What its secret hashes to.
    pub digest: Digest,
    /// What it may do; the schema says what each method needs.
    pub permissions: Vec<Permission>,
    /// Where; `None`: everywhere.
    pub namespaces: Option<Vec<NamespaceRule>>,
}

/// Something that a method may require.
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

/// A namespace, or all that begin alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceRule {
    /// This one: `orders`.
    Exactly(String),
    /// Each that begins so: `orders-*`.
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

    fn read(text: &str) -> Option<Self> {
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

/// The SHA-256 of a secret. Compared in a time that does not depend on where two differ.
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

/// A mistake in a token, and the element it was made in.
pub(super) type Mistakes<'a> = Vec<(&'a Spanned<Node>, String)>;

/// Reads the list of tokens. Secrets that stand elsewhere are fetched from `variables` and from files.
pub(super) fn read<'a>(
    list: &'a Spanned<Node>,
    variables: &HashMap<String, String>,
) -> Result<Vec<Token>, Mistakes<'a>> {
    let elements = match &list.value {
        Node::Null => return Ok(Vec::new()),
        Node::List(elements) => elements,
        Node::Scalar(_) | Node::Map(_) => {
            return Err(vec![(list, format!("is {}; a list of tokens is allowed", list.value.shape()))]);
        }
    };
    let (mut tokens, mut mistakes) = (Vec::<Token>::new(), Vec::new());
    for element in elements {
        let Some(token) = token(element, variables, &mut mistakes) else { continue };
        if tokens.iter().any(|other| other.name == token.name) {
            mistakes.push((element, format!("the name '{}' stands twice", token.name)));
        } else if tokens.iter().any(|other| other.digest == token.digest) {
            mistakes.push((element, format!("'{}' has the secret of another token", token.name)));
        }
        tokens.push(token);
    }
    if mistakes.is_empty() { Ok(tokens) } else { Err(mistakes) }
}

fn token<'a>(
    element: &'a Spanned<Node>,
    variables: &HashMap<String, String>,
    mistakes: &mut Mistakes<'a>,
) -> Option<Token> {
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
            unknown => mistakes.push((value, format!("'{unknown}' is not a key of a token; {KEYS}"))),
        }
    }
    let digest = if let [(kind, text, value)] = secrets[..] {
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

fn text<'a>(value: &'a Spanned<Node>, mistakes: &mut Mistakes<'a>) -> Option<&'a str> {
    if let Node::Scalar(text) = &value.value {
        return Some(text);
    }
    mistakes.push((value, format!("is {}; a text is allowed", value.value.shape())));
    None
}

fn each<'a, T>(
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
            None => mistakes.push((element, format!("'{text}' is not allowed here; {allowed}"))),
        }
    }
    Some(all)
}

/// The digest of a secret, wherever it stands. No message repeats the secret.
fn digest(kind: &str, text: &str, variables: &HashMap<String, String>) -> Result<Digest, String> {
    let secret = match kind {
        "sha256" => {
            return Digest::from_hex(text).ok_or_else(|| {
                "sha256 is not 64 hexadecimal digits; it is the SHA-256 of the token".to_owned()
            });
        }
        "file" => std::fs::read_to_string(text).map_err(|why| format!("'{text}' cannot be read: {why}"))?,
        _ => variables.get(text).cloned().ok_or_else(|| format!("the variable '{text}' is not set"))?,
    };
    // Whoever wrote the file let it end with a newline.
    match secret.trim() {
        "" => Err(format!("'{text}' holds an empty token")),
        secret => Ok(Digest::of(secret.as_bytes())),
    }
}
