//! Master keys of encryption at rest: their ids, and where their secrets are.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use prism_backends::wrap::encrypt::{KeyError, KeyRing, MasterKey};
use zeroize::Zeroizing;

use super::mappings::{Mistakes, elements, text, values};
use super::node::{Node, Spanned};

/// Maximum number of master keys.
const MAX: usize = 64;

/// Encryption at rest, for namespaces whose rule or definition says `encrypt: true`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Encryption {
    /// The master keys, whose ids differ; empty: no namespace can be encrypted.
    pub keys: Vec<EncryptionKey>,
    /// The id of the key that seals new data; `None`: the only key.
    pub active: Option<String>,
}

/// A master key.
#[derive(Clone)]
pub struct EncryptionKey {
    /// The key.
    pub key: Arc<MasterKey>,
    /// Where it was read.
    pub source: KeySource,
}

/// Where a master key is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file that holds it.
    File(PathBuf),
    /// The name of a variable that holds it.
    Variable(String),
}

impl PartialEq for EncryptionKey {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.key.is_same(&other.key)
    }
}

impl Eq for EncryptionKey {}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|key| key.key.id()).collect();
        f.debug_struct("Encryption").field("keys", &ids).field("active", &self.active).finish()
    }
}

impl Encryption {
    /// The key ring of these keys; `None`: there are none.
    ///
    /// # Errors
    /// If the active key is not one of them, or is not named although there are several.
    pub fn ring(&self) -> Result<Option<Arc<KeyRing>>, KeyError> {
        let Some(first) = self.keys.first() else { return Ok(None) };
        let active = match &self.active {
            Some(active) => active.as_str(),
            None if self.keys.len() == 1 => first.key.id(),
            None => "",
        };
        let keys = self.keys.iter().map(|key| Arc::clone(&key.key)).collect();
        KeyRing::new(keys, active).map(Arc::new).map(Some)
    }
}

/// Parses the list of keys, and reads their secrets from files and from `variables`. No message repeats text of the list or
/// the name of a missing file or variable: it may be a key in the wrong place.
pub(super) fn read<'a>(
    list: &'a Spanned<Node>,
    variables: &HashMap<String, String>,
) -> Result<Vec<EncryptionKey>, Mistakes<'a>> {
    let (mut keys, mut mistakes) = (Vec::<EncryptionKey>::new(), Vec::new());
    for element in elements(list, "keys")? {
        let Some(key) = key(element, variables, &mut mistakes) else { continue };
        if keys.iter().any(|other| other.key.id() == key.key.id()) {
            mistakes.push((element, "has the id of another key".to_owned()));
        }
        keys.push(key);
    }
    if keys.len() > MAX {
        mistakes.push((list, format!("has {} keys; at most {MAX} are allowed", keys.len())));
    }
    if mistakes.is_empty() { Ok(keys) } else { Err(mistakes) }
}

fn key<'a>(
    element: &'a Spanned<Node>,
    variables: &HashMap<String, String>,
    mistakes: &mut Mistakes<'a>,
) -> Option<EncryptionKey> {
    let [id, file, env] = values(element, "a key", ["id", "file", "env"], mistakes)?;
    if id.is_none() {
        mistakes.push((element, "needs an id, by which rows name it".to_owned()));
    }
    let id = id.and_then(|id| text(id, mistakes));
    let (source, secret) = match (file, env) {
        (Some(file), None) => {
            let path = text(file, mistakes)?;
            let secret = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|why| {
                let why =
                    format!("the file cannot be read: {why}; write the path of a file that holds the key");
                mistakes.push((file, why));
            });
            (KeySource::File(path.into()), secret.ok()?)
        }
        (None, Some(env)) => {
            let name = text(env, mistakes)?;
            let Some(secret) = variables.get(name) else {
                let why = "the variable is not set; write the name of a variable that holds the key";
                mistakes.push((env, why.to_owned()));
                return None;
            };
            (KeySource::Variable(name.to_owned()), Zeroizing::new(secret.clone()))
        }
        _ => {
            mistakes.push((element, "needs exactly one of file and env".to_owned()));
            return None;
        }
    };
    match MasterKey::from_base64(id?, &secret) {
        Ok(key) => Some(EncryptionKey { key: Arc::new(key), source }),
        Err(why) => {
            mistakes.push((element, why.to_string()));
            None
        }
    }
}
