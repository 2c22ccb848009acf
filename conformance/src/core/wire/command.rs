//! The command that starts a server: words as a shell would split them, with placeholders filled in.

use std::path::Path;

/// Where one start of the server should listen and keep its data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) port: u16,
    pub(super) folder: &'a Path,
}

impl Place<'_> {
    /// `host:port`.
    pub(super) fn listen(self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// One word with `{port}`, `{listen}` and `{dir}` filled in.
    pub(super) fn fill(self, word: &str) -> String {
        word.replace("{port}", &self.port.to_string())
            .replace("{listen}", &self.listen())
            .replace("{dir}", &self.folder.display().to_string())
    }
}

/// Splits a command at blanks outside quotes. Single quotes keep everything, double quotes all but `\"` and `\\`, and a
/// backslash keeps what follows. Nothing is expanded: no shell runs.
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
                            Some(kept @ ('"' | '\\')) => word.push(kept),
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
    fn placeholders_are_filled_in_wherever_they_stand() {
        let place = Place { port: 81, folder: Path::new("/data") };
        assert_eq!(place.fill("--listen={listen},{port}"), "--listen=127.0.0.1:81,81");
        assert_eq!(place.fill("{dir}/x.db"), "/data/x.db");
    }
}
