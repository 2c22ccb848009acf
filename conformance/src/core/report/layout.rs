//! The layout of text on a terminal: width and colours.

use anstyle::{AnsiColor, Style};
use textwrap::{Options, WordSeparator, WordSplitter};

/// The layout of the text report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The width in characters.
    pub width: usize,
    /// Whether to use colours.
    pub color: bool,
    /// Whether to print every failure in full, however many there are.
    pub all_failures: bool,
}

impl Default for Layout {
    /// 100 characters without colours.
    fn default() -> Self {
        Self { width: 100, color: false, all_failures: false }
    }
}

/// The meaning of a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Open,
    Soft,
    Heading,
}

impl Layout {
    /// A horizontal line.
    pub(super) fn rule(&self) -> String {
        "─".repeat(self.width.min(72))
    }

    /// A heading, with a line to the right of it.
    pub(super) fn heading(&self, text: &str) -> String {
        let rest = self.width.min(100).saturating_sub(text.chars().count() + 4);
        self.toned(Tone::Heading, &format!("── {text} {}", "─".repeat(rest)))
    }

    /// Text in the colour of `tone`.
    pub(super) fn toned(&self, tone: Tone, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Good => AnsiColor::Green.on_default().bold(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
            Tone::Open => AnsiColor::Yellow.on_default().bold(),
            Tone::Soft => Style::new().dimmed(),
            Tone::Heading => Style::new().bold(),
        };
        format!("{style}{text}{style:#}")
    }

    /// Text broken between words; further lines begin with `indent`. Words, such as ids of cases, are never broken.
    pub(super) fn wrapped(&self, indent: &str, text: &str) -> String {
        let options = Options::new(self.width)
            .initial_indent(indent)
            .subsequent_indent(indent)
            .break_words(false)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation);
        textwrap::fill(text, options).trim_start().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_never_within_one() {
        let layout = Layout { width: 12, ..Layout::default() };
        assert_eq!(layout.wrapped("  ", "one two three"), "one two\n  three");
        assert_eq!(
            layout.wrapped("  ", "put::replaces_the_whole_item a"),
            "put::replaces_the_whole_item\n  a"
        );
        assert_eq!(layout.wrapped("", ""), "");
        let narrow = Layout { width: 0, ..layout };
        assert_eq!(narrow.wrapped("    ", "a b"), "a\n    b");
        assert_eq!(narrow.heading("a"), "── a ");
    }

    #[test]
    fn colours_are_used_on_request_only() {
        let layout = Layout::default();
        assert_eq!(layout.toned(Tone::Bad, "x"), "x");
        let colored = Layout { color: true, ..layout };
        assert_eq!(colored.toned(Tone::Bad, "x"), "\u{1b}[1m\u{1b}[31mx\u{1b}[0m");
    }
}
