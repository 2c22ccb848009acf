//! Directories of TimeSeries backends.

use std::sync::Arc;

use super::{Policy, TimeSeriesBackend};
use crate::{Access, Error, Namespace};

/// The backend and the policy of a TimeSeries namespace.
pub type Served = crate::Served<dyn TimeSeriesBackend, Policy>;

/// A directory of TimeSeries backends.
pub trait Directory: crate::Directory<dyn TimeSeriesBackend, Policy> {}

impl<D: crate::Directory<dyn TimeSeriesBackend, Policy>> Directory for D {}

/// A single backend serves every namespace, with one policy.
impl crate::Directory<dyn TimeSeriesBackend, Policy> for (Arc<dyn TimeSeriesBackend>, Arc<Policy>) {
    fn find(&self, _: &Namespace, _: Access) -> Result<Served, Error> {
        Ok(Served { backend: Arc::clone(&self.0), policy: Some(Arc::clone(&self.1)) })
    }
}
