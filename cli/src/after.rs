//! The text after the options of a command's help: written as paragraphs, shown in colour, and read back for pages.

use std::fmt::Write;

use clap::builder::{StyledStr, Styles};

/// The heading of examples, in the help and on the pages made from it.
pub(crate) const EXAMPLES: &str = "Examples";

/// Text to show after a command's options: paragraphs, separated by empty lines. A paragraph whose first line ends with a
/// colon, and whose other lines are indented by two spaces, is a section under that heading.
pub fn after_help(text: &str) -> StyledStr {
    let header = Styles::styled();
    let header = header.get_header();
    let mut styled = StyledStr::new();
    for (at, paragraph) in paragraphs(text).into_iter().enumerate() {
        let separator = if at == 0 { "" } else { "\n\n" };
        let written = match paragraph {
            Paragraph::Section { heading, lines } => {
                write!(styled, "{separator}{header}{heading}:{header:#}\n  {}", lines.join("\n  "))
            }
            // The help wraps prose at the width of the terminal.
            Paragraph::Prose(lines) => write!(styled, "{separator}{}", lines.join(" ")),
            Paragraph::Verbatim(lines) => write!(styled, "{separator}  {}", lines.join("\n  ")),
        };
        written.expect("writing to a StyledStr cannot fail");
    }
    styled
}

/// Examples to show after a command's options: each a comment, and the lines to type.
///
/// Pages made from the help run in continuous integration, so each example must work after those before it.
pub fn examples(examples: &[(&str, &str)]) -> StyledStr {
    after_help(&example_section(examples))
}

/// The section of examples as text for [`after_help`].
fn example_section(examples: &[(&str, &str)]) -> String {
    let mut text = format!("{EXAMPLES}:");
    for (comment, command) in examples {
        write!(text, "\n  # {comment}").expect("writing to a String cannot fail");
        for line in command.lines() {
            write!(text, "\n  {line}").expect("writing to a String cannot fail");
        }
    }
    text
}

/// A paragraph of the text after the options.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Paragraph<'a> {
    /// A heading without its colon, and the lines below it without their indentation.
    Section { heading: &'a str, lines: Vec<&'a str> },
    /// Lines of running text.
    Prose(Vec<&'a str>),
    /// Lines that are all indented, without their indentation.
    Verbatim(Vec<&'a str>),
}

/// The paragraphs of `text`.
pub(crate) fn paragraphs(text: &str) -> Vec<Paragraph<'_>> {
    let blocks = text.split("\n\n").filter(|block| !block.trim().is_empty());
    blocks.map(|block| paragraph(block.trim_matches('\n'))).collect()
}

fn paragraph(block: &str) -> Paragraph<'_> {
    fn unindented<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Vec<&'a str>> {
        lines.map(|line| line.strip_prefix("  ")).collect()
    }
    if let Some(lines) = unindented(block.lines()) {
        return Paragraph::Verbatim(lines);
    }
    let heading = block.lines().next().and_then(|line| line.strip_suffix(':'));
    match (heading, unindented(block.lines().skip(1))) {
        (Some(heading), Some(lines)) if !lines.is_empty() => Paragraph::Section { heading, lines },
        _ => Paragraph::Prose(block.lines().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_read_back_as_it_was_written() {
        let text = "A line is one write:\n\n  {\"id\":1}\n\nMore of it.\n\nExamples:\n  # One\n  run it";
        let expected = [
            Paragraph::Prose(vec!["A line is one write:"]),
            Paragraph::Verbatim(vec!["{\"id\":1}"]),
            Paragraph::Prose(vec!["More of it."]),
            Paragraph::Section { heading: "Examples", lines: vec!["# One", "run it"] },
        ];
        assert_eq!(paragraphs(text), expected);
        assert_eq!(after_help(text).to_string(), text);
        assert_eq!(after_help(&text.replace("More of", "More\nof")).to_string(), text, "prose is not joined");
        assert!(after_help(text).ansi().to_string().contains("Examples:\u{1b}["), "the heading has no style");
        assert_eq!(examples(&[("One", "run it")]).to_string(), "Examples:\n  # One\n  run it");
    }
}
