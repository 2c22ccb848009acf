//! Comments as Markdown: rule ids become links, code names get backticks.

use std::collections::BTreeSet;
use std::fs;

use crate::{Result, tree};

/// gRPC statuses without an underscore in their names.
const STATUSES: &[&str] =
    &["OK", "CANCELLED", "UNKNOWN", "ABORTED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "UNAUTHENTICATED"];

/// Words that look like rule ids but are none.
const NON_RULES: &[&str] = &["UTF-8"];

/// Converts comments to Markdown.
pub(super) struct Prose {
    contracts: Vec<Contract>,
}

/// The rules of a contract, and its page as seen from the page that is written.
struct Contract {
    rules: BTreeSet<String>,
    page: &'static str,
}

impl Contract {
    fn read(requirements: &str, page: &'static str) -> Result<Self> {
        let requirements = fs::read_to_string(tree::root().join("contract").join(requirements))?;
        let ids = requirements.lines().filter_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"'));
        Ok(Self { rules: ids.map(str::to_owned).collect(), page })
    }
}

impl Prose {
    /// For a page beside KeyValue's contract. Of rules with the same id in both contracts, that page's own are meant.
    pub(super) fn of_keyvalue() -> Result<Self> {
        let other = Contract::read("timeseries/requirements.toml", "timeseries/contract.md")?;
        Ok(Self { contracts: vec![Contract::read("requirements.toml", "contract.md")?, other] })
    }

    /// For a page beside TimeSeries' contract.
    pub(super) fn of_timeseries() -> Result<Self> {
        let own = Contract::read("timeseries/requirements.toml", "contract.md")?;
        Ok(Self { contracts: vec![own, Contract::read("requirements.toml", "../contract.md")?] })
    }

    /// A comment of several paragraphs. Indented lines become a code block, verbatim.
    pub(super) fn paragraphs(&self, comment: &str) -> Result<String> {
        let mut blocks: Vec<(bool, Vec<&str>)> = Vec::new();
        for line in comment.lines() {
            let code =
                line.starts_with("  ") || (line.is_empty() && blocks.last().is_some_and(|(code, _)| *code));
            match blocks.last_mut() {
                Some((last, lines)) if *last == code => lines.push(line),
                _ => blocks.push((code, vec![line])),
            }
        }
        let mut parts = Vec::new();
        for (code, lines) in blocks {
            if code {
                let indent = lines
                    .iter()
                    .filter(|line| !line.is_empty())
                    .map(|line| line.len() - line.trim_start().len())
                    .min();
                let lines: Vec<_> =
                    lines.iter().map(|line| line.get(indent.unwrap_or(0)..).unwrap_or_default()).collect();
                parts.push(format!("```text\n{}\n```", lines.join("\n").trim_end()));
            } else {
                for paragraph in lines.join("\n").split("\n\n") {
                    let paragraph = self.line(paragraph)?;
                    if !paragraph.is_empty() {
                        parts.push(paragraph);
                    }
                }
            }
        }
        Ok(parts.join("\n\n"))
    }

    /// A comment as one line, for table cells.
    pub(super) fn line(&self, comment: &str) -> Result<String> {
        let words: Vec<_> = comment.split_whitespace().map(|word| self.word(word)).collect::<Result<_>>()?;
        Ok(words.join(" "))
    }

    /// A word, with surrounding punctuation unchanged.
    fn word(&self, word: &str) -> Result<String> {
        let is_edge = |c: char| "(),.:;\"".contains(c);
        let core = word.trim_matches(is_edge);
        let Some(at) = word.find(core).filter(|_| !core.is_empty()) else { return Ok(escaped(word)) };
        let (before, after) = (&word[..at], &word[at + core.len()..]);
        let shown = if is_rule_id(core) && !NON_RULES.contains(&core) {
            let contract = self.contracts.iter().find(|contract| contract.rules.contains(core));
            let contract =
                contract.ok_or_else(|| format!("{core} is cited but is not a rule of a contract"))?;
            format!("[{core}]({}#{core})", contract.page)
        } else if is_code(core) {
            format!("`{core}`")
        } else {
            escaped(core)
        };
        Ok([before, &shown, after].concat())
    }
}

/// A number with thousands separators: 1,048,576.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// With an upper-case first letter.
pub(super) fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

fn is_rule_id(word: &str) -> bool {
    let capitals = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_uppercase());
    word.split_once('-').is_some_and(|(kind, number)| capitals(kind) && number.parse::<u32>().is_ok())
}

/// Names with an underscore, package names, statuses, bracketed patterns, and file paths.
fn is_code(word: &str) -> bool {
    let package = ["google.", "prism."].iter().any(|root| word.starts_with(root));
    package
        || STATUSES.contains(&word)
        || word.contains('_')
        || word.starts_with('[')
        || word.starts_with("prism/")
}

/// Escapes a word for Markdown.
fn escaped(word: &str) -> String {
    let mut escaped = String::new();
    for c in word.replace("->", "→").chars() {
        if "<>*[]|`\\".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{Prose, grouped};

    #[test]
    fn rule_ids_become_links_and_code_names_get_backticks() {
        let prose = Prose::of_keyvalue().unwrap();
        assert_eq!(
            prose.line("1-128 bytes of [a-z0-9._-],\nin UTF-8 (PUT-1, COND-2). See item_limit.").unwrap(),
            "1-128 bytes of `[a-z0-9._-]`, in UTF-8 ([PUT-1](contract.md#PUT-1), [COND-2](contract.md#COND-2)). \
             See `item_limit`."
        );
        assert_eq!(prose.line("start <= key | end").unwrap(), "start \\<= key \\| end");
    }

    #[test]
    fn a_rule_of_both_contracts_is_that_of_the_page() {
        let line = |prose: Prose| prose.line("(DEL-1), TAIL-1 and PUT-1").unwrap();
        assert_eq!(
            line(Prose::of_keyvalue().unwrap()),
            "([DEL-1](contract.md#DEL-1)), [TAIL-1](timeseries/contract.md#TAIL-1) and [PUT-1](contract.md#PUT-1)"
        );
        assert_eq!(
            line(Prose::of_timeseries().unwrap()),
            "([DEL-1](contract.md#DEL-1)), [TAIL-1](contract.md#TAIL-1) and [PUT-1](../contract.md#PUT-1)"
        );
    }

    #[test]
    fn thousands_are_separated() {
        let groups: Vec<_> = [0, 999, 1_000, 1_048_576].map(grouped).into();
        assert_eq!(groups, ["0", "999", "1,000", "1,048,576"]);
    }

    #[test]
    fn a_rule_that_does_not_exist_is_an_error() {
        let error = Prose::of_keyvalue().unwrap().line("It holds (PUT-99).").unwrap_err().to_string();
        assert_eq!(error, "PUT-99 is cited but is not a rule of a contract");
    }

    #[test]
    fn indented_lines_become_a_code_block() {
        let comment = "One\nsentence:\n\n  a_b   c\n\n    d\n\nAnother.";
        let text = "One sentence:\n\n```text\na_b   c\n\n  d\n```\n\nAnother.";
        assert_eq!(Prose::of_keyvalue().unwrap().paragraphs(comment).unwrap(), text);
    }
}
