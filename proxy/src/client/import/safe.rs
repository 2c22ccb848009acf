//! Which lines are done without a gap: what is safe to skip when the import is gone on with.

use std::collections::BTreeMap;

use super::lines::Mark;

/// Lines are done in any order; the safe mark moves past those that are done without a gap before them.
#[derive(Debug, Default)]
pub(super) struct Safe {
    mark: Mark,
    ahead: BTreeMap<u64, Mark>,
}

impl Safe {
    /// Everything before `mark` was done earlier.
    pub(super) fn from(mark: Mark) -> Self {
        Self { mark, ahead: BTreeMap::new() }
    }

    /// The line before `after` is done.
    pub(super) fn done(&mut self, after: Mark) {
        self.ahead.insert(after.lines, after);
        while let Some(next) = self.ahead.remove(&(self.mark.lines + 1)) {
            self.mark = next;
        }
    }

    /// The end of the lines that are done without a gap.
    pub(super) fn mark(&self) -> &Mark {
        &self.mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_safe_mark_waits_at_the_first_line_that_is_not_done() {
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
