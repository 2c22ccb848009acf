//! Standard output and standard error as terminals: colour, width, and text that a terminal may show.

use std::io::{self, IsTerminal};

use anstream::{AutoStream, ColorChoice, stream::RawStream};
use anstyle::{AnsiColor, Style};
use terminal_size::{Height, Width};

/// The width assumed for a terminal that does not report one, in columns.
const DEFAULT_WIDTH: usize = 80;

/// How results are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    /// The width of the terminal in columns; `None`: the output is not a terminal.
    pub(crate) width: Option<usize>,
    /// The colours to use.
    pub(crate) palette: Palette,
}

impl Screen {
    /// A file or a pipe: full lines without colour.
    #[cfg(test)]
    pub(crate) const PIPE: Self = Self { width: None, palette: Palette::PLAIN };

    /// The standard output of the process.
    pub(crate) fn stdout() -> Self {
        let stdout = io::stdout();
        let width = stdout.is_terminal().then(|| columns(terminal_size::terminal_size_of(&stdout)));
        Self { width, palette: Palette::of(stdout) }
    }
}

/// The width of standard error in columns; `None`: it is not a terminal.
pub(crate) fn stderr_width() -> Option<usize> {
    let stderr = io::stderr();
    stderr.is_terminal().then(|| columns(terminal_size::terminal_size_of(&stderr)))
}

fn columns(size: Option<(Width, Height)>) -> usize {
    size.map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0).unwrap_or(DEFAULT_WIDTH)
}

/// Styles of the parts of a text; empty ones without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Palette {
    /// Headings of columns.
    pub(crate) heading: Style,
    /// Keys.
    pub(crate) key: Style,
    /// Metadata.
    pub(crate) dim: Style,
    /// The start of an error.
    pub(crate) error: Style,
}

impl Palette {
    /// No colour.
    pub(crate) const PLAIN: Self =
        Self { heading: Style::new(), key: Style::new(), dim: Style::new(), error: Style::new() };

    /// Colour for a terminal.
    pub(crate) const COLOR: Self = Self {
        heading: Style::new().bold(),
        key: AnsiColor::Cyan.on_default(),
        dim: Style::new().dimmed(),
        error: AnsiColor::Red.on_default().bold(),
    };

    /// The palette of standard error.
    pub(crate) fn stderr() -> Self {
        Self::of(io::stderr())
    }

    /// Decided by `--color`, then NO_COLOR, CLICOLOR_FORCE, CLICOLOR and TERM, then by whether `stream` is a terminal.
    fn of(stream: impl RawStream) -> Self {
        // Created, not just asked for its choice: this switches a Windows console to escape sequences.
        match AutoStream::auto(stream).current_choice() {
            ColorChoice::Always | ColorChoice::AlwaysAnsi => Self::COLOR,
            ColorChoice::Never | ColorChoice::Auto => Self::PLAIN,
        }
    }
}

/// Whether a terminal just shows `character`. Others move the cursor, change the direction of text or start a command.
pub(crate) fn is_printable(character: char) -> bool {
    // The standard library knows the printable characters: `escape_debug` leaves them unchanged.
    matches!(character, '\\' | '\'' | '"') || character.escape_debug().len() == 1
}

/// Text of other origin on standard error: newlines stay, other characters that a terminal does not just show are escaped.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' || is_printable(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_debug());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_other_origin_cannot_command_a_terminal() {
        assert_eq!(printable("Grüße\n'a' \\ \"b\""), "Grüße\n'a' \\ \"b\"");
        assert_eq!(printable("\u{1b}[2J\r\t\u{9b}1m\u{202e}"), "\\u{1b}[2J\\r\\t\\u{9b}1m\\u{202e}");
    }
}
