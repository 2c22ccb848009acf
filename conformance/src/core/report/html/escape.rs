//! Text as HTML and XML take it, so that nothing in it can become markup.

/// Text that stands in an element or in a quoted attribute. Characters that the form has no way to say, and those that
/// turn the direction of what follows, become the replacement character.
pub(in crate::core::report) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(char),
            char if char.is_control() || is_unsayable(char) => escaped.push('\u{fffd}'),
            char => escaped.push(char),
        }
    }
    escaped
}

const fn is_unsayable(char: char) -> bool {
    matches!(char, '\u{fffe}' | '\u{ffff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escaped text whose parts between backticks are code.
pub(super) fn with_code(text: &str) -> String {
    let mut parts = text.split('`');
    let mut html = escape(parts.next().unwrap_or_default());
    while let Some(code) = parts.next() {
        html.push_str(&format!("<code>{}</code>", escape(code)));
        html.push_str(&escape(parts.next().unwrap_or_default()));
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(escape("<a href='\"&\0\n\u{ffff}"), "&lt;a href=&#39;&quot;&amp;\u{fffd}\n\u{fffd}");
        assert_eq!(escape("a\u{202e}b"), "a\u{fffd}b");
    }

    #[test]
    fn what_stands_between_backticks_is_code() {
        assert_eq!(with_code("`a<` and `b`."), "<code>a&lt;</code> and <code>b</code>.");
        assert_eq!(with_code("plain"), "plain");
    }
}
