//! As much of Markdown as the contract is written in: headings, paragraphs, lists, tables, code, and the ids of rules.

use std::iter::Peekable;
use std::str::Lines;

use super::escape;

/// Markdown as HTML, two levels below the page's own headings.
pub(super) fn html(text: &str) -> String {
    let mut lines = text.lines().peekable();
    let mut html = String::new();
    let mut id = None;
    while let Some(line) = lines.next() {
        if let Some(named) = line.strip_prefix("<a id=\"").and_then(|rest| rest.strip_suffix("\"></a>")) {
            id = Some(named);
        } else if let Some(title) = line.strip_prefix("### ") {
            html.push_str(&heading(4, title));
        } else if let Some(title) = line.strip_prefix("## ") {
            html.push_str(&heading(3, title));
        } else if line.starts_with("```") {
            let code: Vec<_> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            html.push_str(&format!("<pre>{}</pre>\n", escape(&code.join("\n"))));
        } else if line.starts_with('|') {
            html.push_str(&table(line, &mut lines));
        } else if let Some(first) = line.strip_prefix("- ") {
            html.push_str(&list(first, &mut lines));
        } else if !line.is_empty() {
            let id = id.take().map(|id| format!(" id=\"{}\"", escape(id))).unwrap_or_default();
            html.push_str(&format!("<p{id}>{}</p>\n", inline(&joined(line, &mut lines))));
        }
    }
    html
}

/// A line and those after it that belong to the same paragraph.
fn joined(first: &str, lines: &mut Peekable<Lines<'_>>) -> String {
    let mut text = first.to_owned();
    while let Some(line) = lines.next_if(|line| !line.is_empty() && !line.starts_with(['|', '#', '-', '<'])) {
        text = format!("{text} {}", line.trim());
    }
    text
}

fn heading(level: u8, title: &str) -> String {
    let id: String =
        title.to_lowercase().chars().filter(|char| char.is_alphanumeric() || *char == ' ').collect();
    format!("<h{level} id=\"{}\">{}</h{level}>\n", id.replace(' ', "-"), inline(title))
}

fn list(first: &str, lines: &mut Peekable<Lines<'_>>) -> String {
    let mut items = vec![joined(first, lines)];
    while let Some(item) = lines.next_if(|line| line.starts_with("- ")) {
        items.push(joined(&item[2..], lines));
    }
    let items: Vec<_> = items.iter().map(|item| format!("<li>{}</li>\n", inline(item))).collect();
    format!("<ul>\n{}</ul>\n", items.concat())
}

fn table(head: &str, lines: &mut Peekable<Lines<'_>>) -> String {
    let row = |line: &str, cell: &str| {
        let cells = line.trim().trim_start_matches('|').trim_end_matches('|').split('|');
        let cells: Vec<_> = cells.map(|text| format!("<{cell}>{}</{cell}>", inline(text.trim()))).collect();
        format!("<tr>{}</tr>\n", cells.concat())
    };
    let mut html = format!("<div class=\"wide\"><table>\n<thead>{}</thead>\n", row(head, "th"));
    while let Some(line) = lines.next_if(|line| line.starts_with('|')) {
        if !line.starts_with("| ---") {
            html.push_str(&row(line, "td"));
        }
    }
    html + "</table></div>\n"
}

/// Code, strong, emphasis and links within a line; everything else is escaped.
fn inline(text: &str) -> String {
    let mut html = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        html.push_str(&escape(&rest[..at]));
        rest = &rest[at..];
        let taken =
            between(rest, "`", "`").map(|(code, after)| (format!("<code>{}</code>", escape(code)), after));
        let taken = taken.or_else(|| {
            between(rest, "**", "**")
                .map(|(strong, after)| (format!("<strong>{}</strong>", inline(strong)), after))
        });
        let taken = taken.or_else(|| {
            between(rest, "*", "*").map(|(em, after)| (format!("<em>{}</em>", inline(em)), after))
        });
        let taken = taken.or_else(|| link(rest));
        if let Some((said, after)) = taken {
            html.push_str(&said);
            rest = after;
        } else {
            let mut chars = rest.chars();
            html.extend(chars.next().map(|char| escape(char.encode_utf8(&mut [0; 4]))));
            rest = chars.as_str();
        }
    }
    html + &escape(rest)
}

/// What stands between two marks at the start of `text`, and what follows them.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(open)?.split_once(close).filter(|(inside, _)| !inside.is_empty())
}

/// A link within the page.
fn link(text: &str) -> Option<(String, &str)> {
    let (words, rest) = text.strip_prefix('[')?.split_once("](#")?;
    let (to, after) = rest.split_once(')')?;
    Some((format!("<a href=\"#{}\">{}</a>", escape(to), inline(words)), after))
}

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn each_form_becomes_its_element_and_markup_becomes_text() {
        for (markdown, expected) in [
            ("## Put and `get`", "<h3 id=\"put-and-get\">Put and <code>get</code></h3>\n"),
            (
                "<a id=\"A-1\"></a>\n**A-1** a <b> c\nd.\n*(wire)*",
                "<p id=\"A-1\"><strong>A-1</strong> a &lt;b&gt; c d. <em>(wire)</em></p>\n",
            ),
            (
                "- [x](#y): `a*b`\n  z\n- w",
                "<ul>\n<li><a href=\"#y\">x</a>: <code>a*b</code> z</li>\n<li>w</li>\n</ul>\n",
            ),
            (
                "| a | b |\n| --- | --- |\n| 1 | |",
                "<div class=\"wide\"><table>\n<thead><tr><th>a</th><th>b</th></tr>\n</thead>\n<tr><td>1</td><td></td></tr>\n</table></div>\n",
            ),
            ("```text\n<x>\n```", "<pre>&lt;x&gt;</pre>\n"),
            ("2 * 3 [4]", "<p>2 * 3 [4]</p>\n"),
        ] {
            assert_eq!(html(markdown), expected);
        }
    }
}
