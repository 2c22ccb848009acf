//! The size limits of a page.

/// The size limits of a page, within the published limits (PAGE-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize {
    items: u32,
    bytes: u32,
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
        Self { items: within(items, Self::MAX_ITEMS), bytes: within(bytes, Self::MAX_BYTES) }
    }

    /// Maximum items, 1 to 1,000.
    pub const fn items(self) -> usize {
        self.items as usize
    }

    /// Maximum weight in bytes, 1 to 2 MiB; a single item that weighs more is still returned, alone.
    pub const fn bytes(self) -> usize {
        self.bytes as usize
    }

    /// Whether an item of this weight fits on a page that holds `items` items of `bytes` bytes in total.
    pub const fn fits(self, items: usize, bytes: usize, weight: usize) -> bool {
        items == 0 || (items < self.items() && bytes + weight <= self.bytes())
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
}
