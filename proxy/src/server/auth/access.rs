//! What a caller may do: permissions, and the namespaces that they apply to.

use std::ops::BitOr;
use std::sync::Arc;

use super::patterns::Patterns;
use crate::config::{NamespaceRule, Permission};

/// A set of permissions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Permissions(u8);

impl Permissions {
    /// Whether it contains a permission, by its name in the schema. It does not contain unknown ones.
    fn contain(self, name: &str) -> bool {
        Permission::read(name).is_some_and(|permission| self.0 & bit(permission) != 0)
    }

    /// The first of `required` that it does not contain.
    fn first_missing(self, required: &[String]) -> Option<&String> {
        required.iter().find(|name| !self.contain(name))
    }
}

fn bit(permission: Permission) -> u8 {
    match permission {
        Permission::Read => 1,
        Permission::Write => 2,
        Permission::Admin => 4,
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Permissions> for Permissions {
    fn from_iter<I: IntoIterator<Item = Self>>(all: I) -> Self {
        all.into_iter().fold(Self::default(), BitOr::bitor)
    }
}

/// The permissions of a token, or of all grants with the same pattern of callers.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// Those in all namespaces.
    everywhere: Permissions,
    by_namespace: Patterns<Permissions>,
    /// Those in at least one namespace.
    anywhere: Permissions,
}

impl Access {
    /// Adds permissions in `namespaces`; `None`: in all.
    pub(super) fn add(&mut self, permissions: &[Permission], namespaces: Option<&[NamespaceRule]>) {
        let permissions = permissions.iter().map(|permission| Permissions(bit(*permission))).collect();
        match namespaces {
            None => self.everywhere = self.everywhere | permissions,
            Some(rules) => {
                for rule in rules {
                    let known = self.by_namespace.entry(rule);
                    *known = *known | permissions;
                }
            }
        }
        if namespaces.is_none_or(|rules| !rules.is_empty()) {
            self.anywhere = self.anywhere | permissions;
        }
    }

    fn within(&self, namespace: &str) -> Permissions {
        self.everywhere | self.by_namespace.matching(namespace).copied().collect()
    }
}

/// The rights of a caller: those of its token, or of all its grants together.
#[derive(Debug, Clone, Default)]
pub(super) struct Rights(Vec<Arc<Access>>);

impl Rights {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first of `required` that the caller has in no namespace.
    pub(super) fn missing_anywhere<'a>(&self, required: &'a [String]) -> Option<&'a String> {
        self.0.iter().map(|access| access.anywhere).collect::<Permissions>().first_missing(required)
    }

    /// Whether it has all of `required` in all namespaces.
    pub(super) fn are_unlimited(&self, required: &[String]) -> bool {
        self.0
            .iter()
            .map(|access| access.everywhere)
            .collect::<Permissions>()
            .first_missing(required)
            .is_none()
    }

    /// Whether it has all of `required` in `namespace`.
    pub(super) fn allow(&self, required: &[String], namespace: &str) -> bool {
        let within = self.0.iter().map(|access| access.within(namespace)).collect::<Permissions>();
        within.first_missing(required).is_none()
    }
}

impl FromIterator<Arc<Access>> for Rights {
    fn from_iter<I: IntoIterator<Item = Arc<Access>>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}
