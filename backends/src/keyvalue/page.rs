//! Building a page within its size limits.

use prism_contract::PageSize;

/// A page under construction.
pub(crate) struct PageBuilder<T> {
    size: PageSize,
    items: Vec<T>,
    bytes: usize,
}

/// Whether an item was added to a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It was added.
    Added,
    /// The page is full, so there is more (PAGE-5).
    Full,
}

impl<T> PageBuilder<T> {
    pub(crate) fn new(size: PageSize) -> Self {
        Self { size, items: Vec::new(), bytes: 0 }
    }

    /// Adds `item`, of this weight in bytes, if it fits (PAGE-7).
    pub(crate) fn offer(&mut self, item: T, weight: usize) -> Fit {
        if !self.size.fits(self.items.len(), self.bytes, weight) {
            return Fit::Full;
        }
        self.bytes += weight;
        self.items.push(item);
        Fit::Added
    }

    /// The items of the page.
    pub(crate) fn into_items(self) -> Vec<T> {
        self.items
    }
}
