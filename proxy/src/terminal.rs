//! Standard output and standard error as terminals: colour, width, and text that a terminal may show.

use std::fmt::Write;
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

/// Whether a terminal just shows `character`, as part of a text: it is neither a control character, which moves the cursor or
/// starts a command, nor a format character that is invisible or changes the direction of text. The joiners are allowed, since
/// scripts of India, Persian and emoji are written with them.
pub(crate) fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{61c}' // Arabic letter mark
            | '\u{180e}' // Mongolian vowel separator
            | '\u{200b}' // zero width space
            | '\u{200e}'..='\u{200f}' // marks of direction
            | '\u{2028}'..='\u{202e}' // separators of lines and paragraphs, embeddings, overrides
            | '\u{2060}'..='\u{206f}' // word joiner, invisible operators, isolates, deprecated controls
            | '\u{feff}' // byte order mark
            | '\u{fff9}'..='\u{fffb}' // annotations between lines
            | '\u{1d173}'..='\u{1d17a}' // controls of musical notation
            | '\u{e0000}'..='\u{e007f}' // tags
        )
}

/// Text of other origin on standard error: newlines stay, other characters that a terminal does not just show are escaped.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' || is_harmless(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_default());
        }
    }
    shown
}

/// JSON of the same meaning, in which every character that a terminal does not just show is an escape.
pub(crate) fn printable_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if is_harmless(character) {
            shown.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(shown, "\\u{unit:04x}").expect("writing to a String cannot fail");
            }
        }
    }
    shown
}

/// A line of JSON for standard error: if it is a terminal, what could command it is escaped as JSON allows.
pub(crate) fn json_for_stderr(json: &str) -> String {
    if io::stderr().is_terminal() { printable_json(json) } else { json.to_owned() }
}

/// Text in several scripts whose marks a terminal combines with the character before them.
#[cfg(test)]
pub(crate) const COMBINED: &str = "हिन्दी e\u{301} ❤\u{fe0f} 👩\u{200d}💻 می\u{200c}خواهم";
/// Characters that change the direction of text, or are invisible.
#[cfg(test)]
pub(crate) const FORMATS: [char; 9] = [
    '\u{200b}',
    '\u{200e}',
    '\u{2028}',
    '\u{202e}',
    '\u{2066}',
    '\u{61c}',
    '\u{feff}',
    '\u{e0001}',
    '\u{e007f}',
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_other_origin_cannot_command_a_terminal() {
        assert_eq!(printable("Grüße\n'a' \\ \"b\""), "Grüße\n'a' \\ \"b\"");
        assert_eq!(printable("\u{1b}[2J\r\t\u{9b}1m\u{202e}"), "\\u{1b}[2J\\r\\t\\u{9b}1m\\u{202e}");
        assert_eq!(printable(COMBINED), COMBINED);
        for format in FORMATS {
            assert_eq!(printable(&format.to_string()), format.escape_unicode().to_string());
        }
    }

    #[test]
    fn json_for_a_terminal_has_the_same_meaning_and_no_control_characters() {
        let text = format!("\u{1b}[2J \u{9b}1m \u{7f} {} é 日 {COMBINED} \\ \"", String::from_iter(FORMATS));
        let value = serde_json::json!({ "k": text });
        let shown = printable_json(&value.to_string());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        assert!(shown.chars().all(is_harmless), "{shown}");
        assert!(shown.contains("é 日") && shown.contains(COMBINED), "{shown}");
    }
}
