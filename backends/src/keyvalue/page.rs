//! Filling a page: what still fits, and whether more follows.

use prism_contract::PageSize;

/// A page that is being filled, in order.
pub(crate) struct Filling<T> {
    size: PageSize,
    taken: Vec<T>,
    bytes: usize,
}

/// Whether something found its place on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It did.
    Taken,
    /// The page was full before it: there is more (PAGE-5).
    Full,
}

impl<T> Filling<T> {
    pub(crate) fn new(size: PageSize) -> Self {
        Self { size, taken: Vec::new(), bytes: 0 }
    }

    /// Puts `found`, of this weight in bytes, on the page if it fits (PAGE-7).
    pub(crate) fn offer(&mut self, found: T, weight: usize) -> Fit {
        if !self.size.fits(self.taken.len(), self.bytes, weight) {
            return Fit::Full;
        }
        self.bytes += weight;
        self.taken.push(found);
        Fit::Taken
    }

    /// What is on the page.
    pub(crate) fn into_taken(self) -> Vec<T> {
        self.taken
    }
}
