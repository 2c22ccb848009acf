//! The watermark of an import: the lines completed without a gap, which a resumed import skips.

use std::collections::BTreeMap;

use super::lines::Mark;

/// A low watermark: lines complete in any order, and the mark advances over completed lines without a gap.
#[derive(Debug, Default)]
pub(super) struct Safe {
    mark: Mark,
    ahead: BTreeMap<u64, Mark>,
}

impl Safe {
    /// Everything before `mark` was completed by an earlier run.
    pub(super) fn from(mark: Mark) -> Self {
        Self { mark, ahead: BTreeMap::new() }
    }

    /// Marks the line before `after` as completed.
    pub(super) fn done(&mut self, after: Mark) {
        self.ahead.insert(after.lines, after);
        while let Some(next) = self.ahead.remove(&(self.mark.lines + 1)) {
            self.mark = next;
        }
    }

    /// The end of the lines completed without a gap.
    pub(super) fn mark(&self) -> &Mark {
        &self.mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watermark_stays_before_the_first_incomplete_line() {
        let mut safe = Safe::default();
        let mut done = |line: u64| {
            let mut after = Mark::default();
            (after.lines, after.bytes) = (line, line * 10);
            safe.done(after);
            (safe.mark().lines, safe.mark().bytes)
        };
        assert_eq!(done(2), (0, 0));
        assert_eq!(done(3), (0, 0));
        assert_eq!(done(1), (3, 30));
        assert_eq!(done(5), (3, 30));
        assert_eq!(done(4), (5, 50));
    }
}
