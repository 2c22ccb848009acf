//! The transcript with the first divergence marked, and the comparison of expected and actual text.

use minijinja::{Value, context};

/// Visible lines before and after the arrow.
const BEFORE: usize = 24;
const AFTER: usize = 12;

/// The lines of a transcript, each with its class; lines far from the arrow are separate, for collapsing.
pub(super) fn parts(text: &str) -> Value {
    let lines: Vec<_> = text.lines().collect();
    let arrow = lines.iter().position(|line| line.starts_with('→')).unwrap_or(lines.len());
    let from = arrow.saturating_sub(BEFORE);
    // The arrow's response stays visible, whatever its length.
    let answer = lines.iter().skip(arrow + 1).take_while(|line| line.starts_with("    ")).count();
    let to = (arrow + 1 + answer + AFTER).min(lines.len());
    let part = |lines: &[&str]| -> Vec<Value> {
        lines.iter().map(|text| context! { text => *text, class => class(text) }).collect()
    };
    context! { earlier => part(&lines[..from]), shown => part(&lines[from..to]), later => part(&lines[to..]) }
}

fn class(line: &str) -> &'static str {
    match line {
        line if line.starts_with('→') => "here",
        line if line.starts_with("    ^ expected") => "expected",
        line if line.starts_with("    ^ actual") => "actual",
        line if line.starts_with(' ') => "answer",
        _ => "request",
    }
}

/// The expected and the actual text, each split at the start and the end of the differing part.
pub(super) fn side_by_side(expected: &str, actual: &str) -> Value {
    let (start, end) = common(expected, actual);
    let marked = |text: &str| {
        let end = text.len() - end;
        // No mark if nothing is shared.
        if start == 0 && end == text.len() || start == end {
            return context! { before => text, mark => "", after => "" };
        }
        context! { before => &text[..start], mark => &text[start..end], after => &text[end..] }
    };
    context! { expected => marked(expected), actual => marked(actual) }
}

/// The lengths in bytes of the common prefix and of the common suffix behind it, at boundaries of words or values.
fn common(one: &str, other: &str) -> (usize, usize) {
    let boundary = |char: char| char.is_whitespace() || matches!(char, ',' | '(' | ')' | '=' | ':');
    let same = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).map(|(char, _)| char);
    let (mut at, mut start) = (0, 0);
    for char in same {
        at += char.len_utf8();
        if boundary(char) {
            start = at;
        }
    }
    if at == one.len() || at == other.len() {
        start = at;
    }
    let (one, other) = (&one[start..], &other[start..]);
    let same = one.chars().rev().zip(other.chars().rev()).take_while(|(a, b)| a == b).map(|(char, _)| char);
    let (mut at, mut end) = (0, 0);
    for char in same {
        at += char.len_utf8();
        if boundary(char) {
            end = at;
        }
    }
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_marked_as_whole_values() {
        for (expected, actual, marks) in [
            ("\"k\"=\"new\" v2", "\"k\"=\"next\" v2", ["\"new\"", "\"next\""]),
            ("OK", "UNAVAILABLE (busy)", ["", ""]),
            ("keys a, b", "keys a, b, c", ["", ", c"]),
            ("ä ö", "ä ü", ["ö", "ü"]),
        ] {
            let pair = side_by_side(expected, actual);
            for (name, mark) in ["expected", "actual"].into_iter().zip(marks) {
                let text = pair.get_attr(name).expect("a text");
                let part = |name| text.get_attr(name).ok().and_then(|part| part.as_str().map(str::to_owned));
                assert_eq!(part("mark").unwrap_or_default(), mark, "{expected} and {actual}");
                let whole = ["before", "mark", "after"].map(|name| part(name).unwrap_or_default()).concat();
                assert_eq!(whole, if name == "expected" { expected } else { actual });
            }
        }
    }

    #[test]
    fn the_arrow_is_visible_and_distant_lines_are_collapsed() {
        let lines = |word: &str| (0..100).map(|at| format!("{word} {at}\n")).collect::<Vec<_>>().concat();
        let marked = "→ here\n    answer\n    ^ expected: 1\n    ^ actual:   2\n";
        let parts = parts(&[&lines("step"), marked, &lines("then")].concat());
        let count = |name| parts.get_attr(name).ok().and_then(|part| part.len());
        assert_eq!([count("earlier"), count("shown"), count("later")], [Some(76), Some(40), Some(88)]);
        let shown = parts.get_attr("shown").expect("lines are shown");
        let classes: Vec<_> = shown.try_iter().expect("the lines are a list").skip(23).take(6).collect();
        let classes = classes.iter().map(|line| line.get_attr("class").expect("a class").to_string());
        assert_eq!(
            classes.collect::<Vec<_>>(),
            ["request", "here", "answer", "expected", "actual", "request"]
        );
    }
}
