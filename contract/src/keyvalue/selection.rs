//! How much of an answer comes at once, in which order, and with or without values.

use super::request::SelectionInput;
use crate::PageSize;

/// The order of an answer (ORD-1, ORD-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Direction {
    /// Unsigned byte order.
    #[default]
    Forward,
    /// The exact mirror.
    Reverse,
}

/// What an answer holds of the chosen items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection {
    /// How much one page may hold.
    pub page: PageSize,
    /// Leave the values out (PAGE-8).
    pub keys_only: bool,
    /// The order.
    pub direction: Direction,
}

impl From<SelectionInput> for Selection {
    fn from(said: SelectionInput) -> Self {
        Self {
            page: PageSize::new(said.item_limit, said.page_size_bytes),
            keys_only: said.keys_only,
            direction: if said.reverse { Direction::Reverse } else { Direction::Forward },
        }
    }
}
