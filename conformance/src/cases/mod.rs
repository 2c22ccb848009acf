//! The table of contents of the suite: one module per area of the contract.

mod put;

use crate::Case;

/// Every case, in the contract's order.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [put::CASES].into_iter().flatten()
}

/// The case of this id.
pub fn by_id(id: &str) -> Option<&'static Case> {
    all().find(|case| case.id == id)
}
