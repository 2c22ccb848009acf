//! Scenarios: operation sequences whose transcript is the same on every store that conforms to the contract.
//!
//! A scenario is two files: the operations as text, one per line, below a comment whose first line is its title; and the golden
//! transcript, an insta snapshot.

use super::Divergence;

/// An operation sequence and the transcript it must yield.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name, and the name of its files.
    pub name: &'static str,
    /// The operations, as text.
    pub story: &'static str,
    /// The golden file, an insta snapshot.
    pub golden: &'static str,
}

impl Scenario {
    /// The transcript it must yield: the golden file without insta's header.
    pub fn expected(&self) -> &'static str {
        let after_header = self.golden.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
        after_header.map_or(self.golden, |(_, transcript)| transcript).trim_end()
    }
}

/// The table of scenarios in a folder of `fixtures`: file name, title, the rules it proves, and its needs. The abstraction's
/// `Case`, and `check`, which runs a scenario, must be in scope.
macro_rules! scenarios {
    ($scenarios:literal, $transcripts:literal; $($name:literal, $title:literal, $proves:expr, $needs:expr;)*) => {
        /// Every scenario, in the order of the cases.
        pub(crate) const SCENARIOS: &[$crate::core::scenario::Scenario] =
            &[$($crate::core::scenario::scenarios!(files $scenarios, $transcripts, $name)),*];

        pub(super) const CASES: &[Case] = &[$(
            Case::new(concat!("scenario::", $name), $title, &$proves, |c| {
                Box::pin(check(c, $crate::core::scenario::scenarios!(files $scenarios, $transcripts, $name)))
            })
            .needs(&$needs)
            .kind($crate::core::Kind::Scenario)
        ),*];
    };
    (files $scenarios:literal, $transcripts:literal, $name:literal) => {
        $crate::core::scenario::Scenario {
            name: $name,
            story: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/", $scenarios, "/", $name, ".txt")),
            golden: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/", $transcripts, "/", $name, ".snap")),
        }
    };
}
pub(crate) use scenarios;

/// The first line that differs, as a divergence at its step. `rule_of` adds the rule behind a golden line that does not show it.
pub(crate) fn first_difference<'a>(
    expected: &'a str,
    actual: &'a str,
    rule_of: fn(&str) -> &'static str,
) -> Option<Divergence> {
    let (mut expected_lines, mut actual_lines) = (expected.lines(), actual.lines());
    let mut steps: usize = 0;
    loop {
        let (expected, actual) = (expected_lines.next(), actual_lines.next());
        // The request line of a step is not indented; its outcome lines are.
        let outcome = |line: Option<&'a str>| line.filter(|line| line.starts_with(' ')).map(str::trim);
        if expected.is_none() && actual.is_none() {
            return None;
        }
        if expected != actual && (outcome(expected).is_some() || outcome(actual).is_some()) {
            let shown = |line| outcome(line).unwrap_or("nothing more").to_owned();
            let rule = outcome(expected).map_or("", rule_of);
            let (expected, actual) = (shown(expected) + rule, shown(actual));
            return Some(Divergence { step: steps.checked_sub(1), expected, actual });
        }
        if expected != actual {
            let shown = |line: Option<&str>| line.unwrap_or("the end").to_owned();
            return Some(Divergence { step: Some(steps), expected: shown(expected), actual: shown(actual) });
        }
        if outcome(actual).is_none() {
            steps += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(expected: &str, actual: &str) -> Option<(Option<usize>, String, String)> {
        first_difference(expected, actual, |line| if line == "end" { " (R-1)" } else { "" })
            .map(|found| (found.step, found.expected, found.actual))
    }

    #[test]
    fn first_difference_reports_its_step() {
        let golden = "put a\n    v1\nget a\n    a=1\n    more";
        assert_eq!(difference(golden, golden), None);
        let found = difference(golden, "put a\n    v1\nget a\n    a=2\n    more");
        assert_eq!(found, Some((Some(1), "a=1".to_owned(), "a=2".to_owned())));
        let found = difference(golden, "put a\n    v1\nget a\n    a=1");
        assert_eq!(found, Some((Some(1), "more".to_owned(), "nothing more".to_owned())));
        let scan = "scan r\n    a=1\n    end";
        let found = difference(scan, "scan r\n    a=1\n    more");
        let expected = "end (R-1)";
        assert_eq!(found, Some((Some(0), expected.to_owned(), "more".to_owned())));
        let found = difference(golden, "put a\nget a\n    a=1\n    more");
        assert_eq!(found, Some((Some(0), "v1".to_owned(), "nothing more".to_owned())));
        let found = difference("put a\nget a", "put a\n    v1\nget a");
        assert_eq!(found, Some((Some(0), "nothing more".to_owned(), "v1".to_owned())));
        let found = difference("put a\nget a", "put a\nget b");
        assert_eq!(found, Some((Some(1), "get a".to_owned(), "get b".to_owned())));
    }

    #[test]
    fn golden_file_header_is_stripped() {
        let scenario = Scenario { name: "x", story: "", golden: "---\nsource: a\n---\nput\n    ok\n" };
        assert_eq!(scenario.expected(), "put\n    ok");
    }
}
