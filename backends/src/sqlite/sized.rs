//! Statements over many rows, in few fixed sizes, so that each is prepared once per connection.
//!
//! A list between two sizes is padded. In SQLite an unbound parameter is NULL, and every statement skips rows of NULLs, so
//! padding needs no binding.

use std::fmt::Write;

/// The row counts of statements over many rows.
pub(in crate::sqlite) const SIZES: [usize; 5] = [1, 4, 16, 64, 256];

/// Maximum rows of one statement.
pub(in crate::sqlite) const MAX_ROWS: usize = SIZES[SIZES.len() - 1];

/// A statement in each size.
pub(in crate::sqlite) struct Sized([String; SIZES.len()]);

impl Sized {
    /// The statements, by their number of rows.
    pub(in crate::sqlite) fn new(statement: impl Fn(usize) -> String) -> Self {
        Self(SIZES.map(statement))
    }

    /// The statement for so many rows, at most [`MAX_ROWS`].
    pub(in crate::sqlite) fn for_rows(&self, rows: usize) -> &str {
        &self.0[size_index(rows)]
    }
}

/// The index of the smallest of [`SIZES`] for `rows`, at most [`MAX_ROWS`].
pub(in crate::sqlite) fn size_index(rows: usize) -> usize {
    SIZES.partition_point(|size| *size < rows).min(SIZES.len() - 1)
}

/// `size` elements, numbered from 0, separated by commas.
pub(in crate::sqlite) fn list(size: usize, element: impl Fn(usize) -> String) -> String {
    (0..size).fold(String::new(), |mut list, number| {
        let comma = if number == 0 { "" } else { ", " };
        let _ = write!(list, "{comma}{}", element(number));
        list
    })
}
