//! The size limits of a page.

/// The size limits of a page, within the published limits (PAGE-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize {
    items: u32,
    bytes: u32,
    /// Set by wrappers only, never by a request.
    allowance: u32,
}

impl PageSize {
    /// Maximum items per page, and the default.
    pub const MAX_ITEMS: u32 = 1_000;
    /// Maximum weight of a page in bytes, and the default.
    pub const MAX_BYTES: u32 = 2 << 20;

    /// A page of at most `items` items and `bytes` bytes of weight. 0 means the default; a value above the published limit
    /// means the limit.
    pub fn new(items: u32, bytes: u32) -> Self {
        let within = |requested: u32, max: u32| if requested == 0 { max } else { requested.min(max) };
        Self { items: within(items, Self::MAX_ITEMS), bytes: within(bytes, Self::MAX_BYTES), allowance: 0 }
    }

    /// Maximum items, 1 to 1,000.
    pub const fn items(self) -> usize {
        self.items as usize
    }

    /// Maximum weight in bytes, 1 to 2 MiB, without the allowance; a single item that weighs more is still returned, alone.
    pub const fn bytes(self) -> usize {
        self.bytes as usize
    }

    /// Bytes of each item that do not count, see [`PageSize::with_allowance`]; 0 in a request.
    pub const fn allowance(self) -> usize {
        self.allowance as usize
    }

    /// Whether an item of this weight fits on a page that holds `items` items of `bytes` bytes in total.
    pub const fn fits(self, items: usize, bytes: usize, weight: usize) -> bool {
        let allowed = self.bytes() + self.allowance() * (items + 1);
        items == 0 || (items < self.items() && bytes + weight <= allowed)
    }

    /// The same page with an allowance: `bytes` more for each item on it. For a wrapper whose stored items weigh up to that
    /// much more than the client's: the inner store then returns every item of the client's page, and the wrapper cuts the
    /// page to the client's size. An allowance per item, because the same sum as a larger page would make the store read, for
    /// a small page of large items, several times what the client asked for. A store decides by [`PageSize::fits`], or adds
    /// the allowance wherever it compares with [`PageSize::bytes`].
    #[must_use]
    pub const fn with_allowance(self, bytes: u32) -> Self {
        Self { allowance: self.allowance.saturating_add(bytes), ..self }
    }

    /// The same page with at most `items` items (at least 1).
    #[must_use]
    pub fn at_most(self, items: u64) -> Self {
        let items = u32::try_from(items).unwrap_or(u32::MAX).clamp(1, self.items);
        Self { items, ..self }
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_the_default_and_more_than_the_limit_is_the_limit() {
        assert_eq!((PageSize::default().items(), PageSize::default().bytes()), (1_000, 2 << 20));
        assert_eq!(PageSize::new(u32::MAX, u32::MAX), PageSize::default());
        assert_eq!((PageSize::new(7, 9).items(), PageSize::new(7, 9).bytes()), (7, 9));
    }

    #[test]
    fn the_first_item_fits_any_page_and_the_next_only_within_both_limits() {
        let page = PageSize::new(2, 100);
        assert!(page.fits(0, 0, 1_000));
        assert!(page.fits(1, 50, 50));
        assert!(!page.fits(1, 50, 51));
        assert!(!page.fits(2, 2, 1));
    }

    #[test]
    fn an_allowance_counts_for_each_item_and_changes_no_limit() {
        let page = PageSize::new(3, 100).with_allowance(6).with_allowance(4);
        assert_eq!((page.items(), page.bytes(), page.allowance()), (3, 100, 10));
        assert!(page.fits(1, 60, 60));
        assert!(!page.fits(1, 60, 61));
        assert!(page.fits(2, 65, 65));
        assert!(!page.fits(2, 65, 66));
        assert!(!page.fits(3, 0, 1));
        assert_eq!(page.at_most(1).allowance(), 10);
        assert_eq!(PageSize::new(u32::MAX, u32::MAX).allowance(), 0);
    }
}
