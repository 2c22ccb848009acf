//! Page size, order, and whether values are included.

use super::request::SelectionInput;
use crate::PageSize;

/// The order of an answer (ORD-1, ORD-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Direction {
    /// Unsigned byte order.
    #[default]
    Forward,
    /// The exact reverse.
    Reverse,
}

/// Page size, order, and whether values are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection {
    /// The size limits of a page.
    pub page: PageSize,
    /// Omit the values (PAGE-8).
    pub keys_only: bool,
    /// The order.
    pub direction: Direction,
}

impl From<SelectionInput> for Selection {
    fn from(input: SelectionInput) -> Self {
        Self {
            page: PageSize::new(input.item_limit, input.page_size_bytes),
            keys_only: input.keys_only,
            direction: if input.reverse { Direction::Reverse } else { Direction::Forward },
        }
    }
}
