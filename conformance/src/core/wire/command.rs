//! The command that starts a server: shell-like word splitting and placeholders.

use std::path::Path;

/// The placeholder values of one server start: its port and its data folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placeholders<'a> {
    pub(super) port: u16,
    pub(super) folder: &'a Path,
}

impl Placeholders<'_> {
    /// `host:port`.
    pub(super) fn listen(self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Substitutes `{port}`, `{listen}` and `{dir}` in a word.
    pub(super) fn fill(self, word: &str) -> String {
        word.replace("{port}", &self.port.to_string())
            .replace("{listen}", &self.listen())
            .replace("{dir}", &self.folder.display().to_string())
    }
}

/// Splits a command at unquoted whitespace. Single quotes are literal, double quotes except for `\"` and `\\`, and a
/// backslash escapes the next character. No shell runs, and nothing is expanded.
pub(super) fn words(command: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut chars = command.chars();
    while let Some(char) = chars.next() {
        match char {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(char) => word.push(char),
                        None => return Err("a single quote is not closed".to_owned()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(escaped @ ('"' | '\\')) => word.push(escaped),
                            Some(other) => word.extend(['\\', other]),
                            None => return Err("a double quote is not closed".to_owned()),
                        },
                        Some(char) => word.push(char),
                        None => return Err("a double quote is not closed".to_owned()),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            blank if blank.is_whitespace() => words.extend(word.take()),
            char => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    if words.is_empty() { Err("the command is empty".to_owned()) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_as_a_shell_would() {
        for (command, split) in [
            ("prism serve", vec!["prism", "serve"]),
            ("  a\t'b c'\"d\\\"e\" ", vec!["a", "b cd\"e"]),
            ("a '' \\  \"x\\n\"", vec!["a", "", " ", "x\\n"]),
        ] {
            let split: Vec<_> = split.into_iter().map(str::to_owned).collect();
            assert_eq!(words(command), Ok(split), "{command}");
        }
        for (wrong, why) in [("a 'b", "single"), ("\"", "double"), (" ", "empty")] {
            assert!(words(wrong).is_err_and(|error| error.contains(why)), "{wrong}");
        }
    }

    #[test]
    fn placeholders_are_substituted_anywhere_in_a_word() {
        let placeholders = Placeholders { port: 81, folder: Path::new("/data") };
        assert_eq!(placeholders.fill("--listen={listen},{port}"), "--listen=127.0.0.1:81,81");
        assert_eq!(placeholders.fill("{dir}/x.db"), "/data/x.db");
    }
}
