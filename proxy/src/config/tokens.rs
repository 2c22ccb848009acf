//! Bearer tokens: holder, permissions and namespaces. Only the SHA-256 of the secret is kept.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::mappings::{Mistakes, NAMESPACES, each, elements, permissions, text, values};
use super::node::{Node, Spanned};
use super::pattern::NamespaceRule;

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
    /// The operation of the gateway itself; no method requires it yet.
    Admin,
}

impl Permission {
    /// All permissions.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// Its name, in the configuration and in the schema.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// The permission with a name.
    pub(crate) fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == text)
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

    /// The bytes, for a lookup among digests that are not secret.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
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

/// How the names of callers without a static token begin.
const RESERVED: [&str; 3] = ["jwt:", "uri:", "dns:"];

/// Parses the list of tokens, and returns the files it refers to. Secrets are read from `variables` and from files where
/// the list refers to those. No message repeats text of the list: any part of it may be a secret.
pub(super) fn read<'a>(
    list: &'a Spanned<Node>,
    variables: &HashMap<String, String>,
) -> Result<(Vec<Token>, Vec<PathBuf>), Mistakes<'a>> {
    let (mut tokens, mut files, mut mistakes) = (Vec::<Token>::new(), Vec::new(), Vec::new());
    for element in elements(list, "tokens")? {
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
    let before = mistakes.len();
    let names = ["name", "sha256", "file", "env", "permissions", "namespaces"];
    let [name, sha256, file, env, granted, namespaces] = values(element, "a token", names, mistakes)?;
    let name = name.and_then(|value| text(value, mistakes));
    let mut secrets = Vec::new();
    for (kind, value) in [("sha256", sha256), ("file", file), ("env", env)] {
        let Some(value) = value else { continue };
        secrets.extend(text(value, mistakes).map(|text| (kind, text, value)));
    }
    let permissions = granted.and_then(|value| permissions(value, mistakes));
    let namespaces =
        namespaces.and_then(|value| each(value, mistakes, NamespaceRule::read_namespaces, NAMESPACES));
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
    } else if name.is_some_and(|name| RESERVED.iter().any(|kind| name.starts_with(kind))) {
        mistakes.push((
            element,
            "has a name that begins with jwt:, uri: or dns:, as those of other callers do".to_owned(),
        ));
    }
    if permissions.as_ref().is_none_or(Vec::is_empty) {
        mistakes.push((element, "needs permissions; write some of [read, write, admin]".to_owned()));
    }
    if mistakes.len() > before {
        return None;
    }
    Some(Token { name: name?.to_owned(), digest: digest?, permissions: permissions?, namespaces })
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
