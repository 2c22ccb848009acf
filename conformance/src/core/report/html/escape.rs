//! Escaping for HTML and XML.

/// Escapes text for an element or a quoted attribute. Characters that are not allowed there, and those that change the text
/// direction, become the replacement character.
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
            char if char.is_control() || is_forbidden(char) => escaped.push('\u{fffd}'),
            char => escaped.push(char),
        }
    }
    escaped
}

const fn is_forbidden(char: char) -> bool {
    matches!(char, '\u{fffe}' | '\u{ffff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes text, and renders parts between backticks as code.
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
    fn markup_is_escaped() {
        assert_eq!(escape("<a href='\"&\0\n\u{ffff}"), "&lt;a href=&#39;&quot;&amp;\u{fffd}\n\u{fffd}");
        assert_eq!(escape("a\u{202e}b"), "a\u{fffd}b");
    }

    #[test]
    fn text_between_backticks_is_code() {
        assert_eq!(with_code("`a<` and `b`."), "<code>a&lt;</code> and <code>b</code>.");
        assert_eq!(with_code("plain"), "plain");
    }
}
