//! Aligned columns, page by page: a page may widen the columns of later pages.
//!
//! Crates for tables lay out a whole table at once, wrap cells or pad the last column. A scan prints while it reads, and an id
//! must stay whole to be copied.

use std::fmt::Write;

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

/// Maximum column width for alignment: longer ids and keys do not widen their column.
const MAX_WIDTH: usize = 40;
/// The space between columns.
const GAP: &str = "  ";

/// The columns of a table.
#[derive(Debug, Clone)]
pub(crate) struct Columns<const N: usize> {
    headings: [&'static str; N],
    widths: [usize; N],
}

impl<const N: usize> Columns<N> {
    /// Columns with these headings, without rows.
    pub(crate) fn new(headings: [&'static str; N]) -> Self {
        Self { headings, widths: headings.map(str::len) }
    }

    /// The headings as cells.
    pub(crate) fn headings(&self) -> [String; N] {
        self.headings.map(str::to_owned)
    }

    /// Makes room for a row.
    pub(crate) fn widen(&mut self, cells: &[String; N]) {
        for (width, cell) in self.widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.width().min(MAX_WIDTH));
        }
    }

    /// The width of the columns in `shown`, with the space after each.
    pub(crate) fn width(&self, shown: &[usize]) -> usize {
        shown.iter().map(|at| self.widths[*at] + GAP.len()).sum()
    }

    /// The columns in `shown` of a row, each with its style and the space after it; and the width of all.
    pub(crate) fn padded(&self, cells: &[String; N], styles: [Style; N], shown: &[usize]) -> (String, usize) {
        let (mut line, mut columns) = (String::new(), 0);
        for &at in shown {
            let (cell, style) = (&cells[at], styles[at]);
            let padding = self.widths[at].saturating_sub(cell.width());
            write!(line, "{style}{cell}{style:#}{:padding$}{GAP}", "")
                .expect("writing to a String cannot fail");
            columns += cell.width() + padding + GAP.len();
        }
        (line, columns)
    }

    /// A row that ends with its last cell, without space after it.
    pub(crate) fn line(&self, cells: &[String; N], styles: [Style; N], shown: &[usize]) -> String {
        let Some((&last, before)) = shown.split_last() else { return String::new() };
        let (mut line, _) = self.padded(cells, styles, before);
        let (cell, style) = (&cells[last], styles[last]);
        write!(line, "{style}{cell}{style:#}").expect("writing to a String cannot fail");
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_width_and_long_cells_stay_whole() {
        let mut columns = Columns::new(["ID", "N"]);
        let rows = [["日本", "1"], ["a", "2"], [&"x".repeat(50), "3"]].map(|row| row.map(str::to_owned));
        for row in &rows {
            columns.widen(row);
        }
        let line = |row| columns.line(row, [Style::new(); 2], &[0, 1]);
        assert_eq!(line(&rows[0]), format!("日本{}1", " ".repeat(38)));
        assert_eq!(line(&rows[1]), format!("a{}2", " ".repeat(41)));
        assert_eq!(line(&rows[2]), format!("{}  3", "x".repeat(50)));
        assert_eq!(columns.width(&[0, 1]), 45);
        let (padded, width) = columns.padded(&rows[0], [Style::new(); 2], &[0]);
        assert_eq!((padded.width(), width), (42, 42));
    }
}
