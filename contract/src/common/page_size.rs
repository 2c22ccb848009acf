//! How much of an answer comes at once.

/// How much one page may hold, within the published limits (PAGE-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize {
    items: u32,
    bytes: u32,
}

impl PageSize {
    /// Most items on a page, and the default.
    pub const MAX_ITEMS: u32 = 1_000;
    /// Most bytes of weight on a page, and the default.
    pub const MAX_BYTES: u32 = 2 << 20;

    /// A page of at most `items` items and `bytes` bytes of weight. 0 means the default, and what is above the published
    /// limit means the limit.
    pub fn new(items: u32, bytes: u32) -> Self {
        let within = |asked: u32, max: u32| if asked == 0 { max } else { asked.min(max) };
        Self { items: within(items, Self::MAX_ITEMS), bytes: within(bytes, Self::MAX_BYTES) }
    }

    /// Most items, 1 to 1,000.
    pub const fn items(self) -> usize {
        self.items as usize
    }

    /// Most bytes of weight, 1 to 2 MiB; a single item that weighs more is still answered, alone.
    pub const fn bytes(self) -> usize {
        self.bytes as usize
    }

    /// Whether an item that weighs `weight` still fits a page that holds `items` items of `bytes` bytes together.
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
