//! The grants, indexed by caller.

use std::collections::HashMap;
use std::sync::Arc;

use super::access::{Access, Rights};
use super::patterns::Patterns;
use crate::config::{Grant, Who};

/// Accesses by the pattern of the callers. Grants with the same pattern share one.
type Index = Patterns<Arc<Access>>;

/// All grants. The names of certificates and the subjects of each issuer are separate, so that no name of one kind can be
/// taken for one of another.
#[derive(Debug, Default)]
pub(super) struct Grants {
    certificates: Index,
    /// Subjects of any issuer: allowed only where there is one.
    subjects: Index,
    subjects_of: HashMap<String, Index>,
}

impl Grants {
    pub(super) fn new(grants: &[Grant]) -> Self {
        let mut index = Self::default();
        for grant in grants {
            let access = match &grant.who {
                Who::Certificate(pattern) => index.certificates.entry(pattern),
                Who::Subject { subject, issuer: None } => index.subjects.entry(subject),
                Who::Subject { subject, issuer: Some(issuer) } => {
                    index.subjects_of.entry(issuer.clone()).or_default().entry(subject)
                }
            };
            // No other reference exists while the index is built.
            if let Some(access) = Arc::get_mut(access) {
                access.add(&grant.permissions, grant.namespaces.as_deref());
            }
        }
        index
    }

    /// The rights of the subject of a JWT.
    pub(super) fn of_subject(&self, issuer: &str, subject: &str) -> Rights {
        let of_issuer = self.subjects_of.get(issuer).into_iter().flat_map(|index| index.matching(subject));
        self.subjects.matching(subject).chain(of_issuer).cloned().collect()
    }

    /// The rights of a name in a certificate.
    pub(super) fn of_certificate(&self, name: &str) -> Rights {
        self.certificates.matching(name).cloned().collect()
    }
}

#[cfg(test)]
mod tests;
