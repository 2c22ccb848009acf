//! What was asked and answered, with the first divergence marked; and two texts beside each other.

use std::fmt::Write;

use super::super::count;
use super::escape;

/// Lines before the arrow that are shown at once, and after it.
const BEFORE: usize = 24;
const AFTER: usize = 12;

/// A transcript; what is far from the arrow is folded away.
pub(super) fn transcript(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let arrow = lines.iter().position(|line| line.starts_with('→')).unwrap_or(lines.len());
    let from = arrow.saturating_sub(BEFORE);
    // What belongs to the arrow stays with it, however long the answer is.
    let answer = lines.iter().skip(arrow + 1).take_while(|line| line.starts_with("    ")).count();
    let to = (arrow + 1 + answer + AFTER).min(lines.len());
    let mut html = String::from("<div class=\"transcript\">\n");
    html.push_str(&folded(&lines[..from], "earlier line"));
    html.push_str(&block(&lines[from..to]));
    html.push_str(&folded(&lines[to..], "later line"));
    html + "</div>\n"
}

fn folded(lines: &[&str], what: &str) -> String {
    match lines.len() {
        0 => String::new(),
        number => format!("<details><summary>{}</summary>{}</details>\n", count(number, what), block(lines)),
    }
}

fn block(lines: &[&str]) -> String {
    let mut html = String::from("<pre>");
    for line in lines {
        let class = match line {
            line if line.starts_with('→') => "here",
            line if line.starts_with("    ^ expected") => "expected",
            line if line.starts_with("    ^ actual") => "actual",
            line if line.starts_with(' ') => "answer",
            _ => "asked",
        };
        let _ = writeln!(html, "<span class=\"{class}\">{}</span>", escape(line));
    }
    html + "</pre>\n"
}

/// What was expected and what came, side by side; the part in which they differ is marked.
pub(super) fn side_by_side(expected: &str, actual: &str) -> String {
    let (start, end) = common(expected, actual);
    let marked = |text: &str| {
        let (start, end) = (start, text.len() - end);
        // Where nothing is shared, a mark over everything says nothing.
        if start == 0 && end == text.len() || start == end {
            return escape(text);
        }
        format!(
            "{}<mark>{}</mark>{}",
            escape(&text[..start]),
            escape(&text[start..end]),
            escape(&text[end..])
        )
    };
    format!(
        "<dl class=\"pair\">\n<div class=\"good\"><dt>expected</dt><dd><pre>{}</pre></dd></div>\n\
         <div class=\"bad\"><dt>actual</dt><dd><pre>{}</pre></dd></div>\n</dl>\n",
        marked(expected),
        marked(actual)
    )
}

/// How many bytes two texts share at their starts, and beyond those at their ends; both are whole words or values.
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
    fn what_differs_is_marked_by_whole_values() {
        let html = side_by_side("\"k\"=\"new\" v2", "\"k\"=\"next\" v2");
        assert!(html.contains("&quot;k&quot;=<mark>&quot;new&quot;</mark> v2"), "{html}");
        assert!(html.contains("&quot;k&quot;=<mark>&quot;next&quot;</mark> v2"), "{html}");
        let html = side_by_side("OK", "UNAVAILABLE (busy)");
        assert!(!html.contains("<mark>"), "{html}");
        let html = side_by_side("keys a, b", "keys a, b, c");
        assert!(html.contains("keys a, b<mark>, c</mark>"), "{html}");
        let html = side_by_side("ä ö", "ä ü");
        assert!(html.contains("ä <mark>ö</mark>"), "{html}");
    }

    #[test]
    fn the_arrow_is_always_in_sight_and_what_is_far_from_it_is_folded() {
        let lines = |word: &str| (0..100).map(|at| format!("{word} {at}\n")).collect::<Vec<_>>().concat();
        let marked = "→ here\n    answer\n    ^ expected: 1\n    ^ actual:   2\n";
        let text = [&lines("step"), marked, &lines("then")].concat();
        let html = transcript(&text);
        assert!(html.contains("<summary>76 earlier lines</summary>"), "{html}");
        assert!(html.contains("<summary>88 later lines</summary>"), "{html}");
        let (before, after) =
            html.split_once("<span class=\"here\">→ here</span>").expect("the arrow is there");
        assert!(before.ends_with("<span class=\"asked\">step 99</span>\n"), "{before}");
        assert!(
            after.starts_with("\n<span class=\"answer\">    answer</span>\n<span class=\"expected\">"),
            "{after}"
        );
    }
}
