//! The policy of a KeyValue namespace, and directories of one backend.

use std::sync::Arc;
use std::time::Duration;

use super::{KeyValueBackend, Limits, Put, Selection};
use crate::common::Checks;
use crate::{Access, Error, Namespace, PageSize};

/// The backend and the policy of a KeyValue namespace.
pub type Served = crate::Served<dyn KeyValueBackend, Policy>;

/// A single backend serves every namespace, without a policy.
impl<B: KeyValueBackend> crate::Directory<dyn KeyValueBackend, Policy> for Arc<B> {
    fn find(&self, _: &Namespace, _: Access) -> Result<Served, Error> {
        Ok(Served { backend: Self::clone(self), policy: None })
    }
}

/// As above, for a backend whose type is not known.
impl crate::Directory<dyn KeyValueBackend, Policy> for Arc<dyn KeyValueBackend> {
    fn find(&self, _: &Namespace, _: Access) -> Result<Served, Error> {
        Ok(Served { backend: Self::clone(self), policy: None })
    }
}

/// A directory of KeyValue backends.
pub trait Directory: crate::Directory<dyn KeyValueBackend, Policy> {}

impl<D: crate::Directory<dyn KeyValueBackend, Policy>> Directory for D {}

/// The policy of a namespace, beyond the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The limits that Describe publishes, none above those of the contract.
    pub limits: Limits,
    /// The ttl of a Put without one; `None`: such items never expire.
    pub default_ttl: Option<Duration>,
    /// The longest ttl that is allowed; `None`: any. A Put without a ttl then gets one ([`Self::ttl`]).
    pub max_ttl: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { limits: Limits::V1, default_ttl: None, max_ttl: None }
    }
}

impl Policy {
    /// The ttl of a Put that has none.
    pub fn ttl(&self) -> Option<Duration> {
        self.default_ttl.or(self.max_ttl)
    }

    /// Applies the policy to a Put: gives it an expiry, or refuses it with all violations.
    pub(super) fn apply(&self, mut put: Put) -> Result<Put, Error> {
        let mut checks = Checks::default();
        self.check_items(&put, &mut checks);
        let (now, latest) = (put.now, self.max_ttl.map(|max| put.now.saturating_add(max)));
        match put.expires_at {
            None => put.expires_at = self.ttl().map(|ttl| now.saturating_add(ttl)),
            Some(at) if latest.is_some_and(|latest| at > latest) => {
                let max = self.max_ttl.unwrap_or_default().as_secs();
                checks.refuse("ttl", format!("is longer than {max} seconds, the maximum of this namespace"));
            }
            Some(_) => {}
        }
        checks.finish()?;
        Ok(put)
    }

    fn check_items(&self, put: &Put, checks: &mut Checks) {
        let (max_items, max_bytes) = (self.limits.put_items as usize, self.limits.put_bytes as usize);
        let bytes: usize = put.items.iter().map(|item| item.key.as_bytes().len() + item.value.len()).sum();
        let mut faults = Vec::new();
        if put.items.len() > max_items {
            faults.push(format!(
                "holds {} items; 1 to {max_items} are allowed in this namespace",
                put.items.len()
            ));
        }
        if bytes > max_bytes {
            faults.push(format!(
                "keys and values are {bytes} bytes together; at most {max_bytes} are allowed in this namespace"
            ));
        }
        if !faults.is_empty() {
            checks.refuse("items", faults.join("; "));
        }
        let max = self.limits.value_bytes as usize;
        for (at, item) in put.items.iter().enumerate().filter(|(_, item)| item.value.len() > max) {
            let why = format!("is {} bytes; 0 to {max} are allowed in this namespace", item.value.len());
            checks.refuse(format_args!("items[{at}].value"), why);
        }
    }

    /// The selection within the limits of a page.
    pub(super) fn within(&self, selection: Selection) -> Selection {
        let limit = |requested: usize, max: u32| u32::try_from(requested).unwrap_or(max).min(max);
        let (items, bytes) = (selection.page.items(), selection.page.bytes());
        let page = PageSize::new(limit(items, self.limits.page_items), limit(bytes, self.limits.page_bytes));
        Selection { page, ..selection }
    }
}
