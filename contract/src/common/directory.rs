//! The backend and the policy of a namespace: an edge looks both up once per call, so that a call never sees half of a
//! change.

use std::sync::Arc;

use super::{Error, Namespace};

/// What a call does with its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads data.
    Read,
    /// Writes data.
    Write,
    /// Describes the namespace, or continues a call that was admitted before. Never refused for its rate.
    Describe,
}

/// The backend `B` and the policy `P` of a namespace, as of one moment.
pub struct Served<B: ?Sized, P> {
    /// The backend.
    pub backend: Arc<B>,
    /// The policy; `None`: that of the contract alone.
    pub policy: Option<Arc<P>>,
}

/// Finds the backend and the policy of a namespace, of an abstraction whose backends are `B` and whose policies are `P`.
pub trait Directory<B: ?Sized, P>: Send + Sync + 'static {
    /// The backend and the policy of `namespace`, for one call.
    ///
    /// # Errors
    /// [`Error::NamespaceNotFound`] if it is not served, [`Error::WrongAbstraction`] if it holds data of another abstraction,
    /// and [`Error::ResourceExhausted`] if it has had as many calls as its rate allows.
    fn find(&self, namespace: &Namespace, access: Access) -> Result<Served<B, P>, Error>;
}
