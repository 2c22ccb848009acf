//! Patterns of names: one name, or all with a prefix.

use std::fmt;

use prism_contract::Namespace;

/// A name, or all names with a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// One name: `orders`.
    Exactly(String),
    /// All with this prefix: `orders-*`.
    Prefix(String),
}

/// A pattern of namespaces.
pub type NamespaceRule = Pattern;

impl Pattern {
    /// Whether it matches `name`.
    pub fn allows(&self, name: &str) -> bool {
        match self {
            Self::Exactly(exact) => exact == name,
            Self::Prefix(prefix) => name.starts_with(prefix),
        }
    }

    /// The pattern written as `text`, in which a `*` at the end stands for any rest; `None` if there is another `*`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (pattern, name): (fn(String) -> Self, _) = match text.strip_suffix('*') {
            Some(prefix) => (Self::Prefix, prefix),
            None => (Self::Exactly, text),
        };
        (!name.contains('*')).then(|| pattern(name.to_owned()))
    }

    /// A pattern of namespaces. It names at least the first letter of a namespace: all of them is the default, not a pattern.
    pub(super) fn read_namespaces(text: &str) -> Option<Self> {
        Self::read(text).filter(|pattern| Namespace::new(pattern.name()).is_ok())
    }

    /// The name, or the prefix.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Exactly(name) | Self::Prefix(name) => name,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(name) => f.write_str(name),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}
