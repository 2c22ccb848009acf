//! The pages of the book that are made from the code: the API reference, the configuration reference and its example.

mod api;
mod comments;
mod prose;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, tree};

/// What stands around the part of a page that is made from the code.
const BEGIN: &str = "<!-- made by `cargo xtask docs`: begin -->\n";
const END: &str = "<!-- made by `cargo xtask docs`: end -->\n";

/// Brings every page up to date.
pub(crate) fn write() -> Result {
    for (path, wanted) in wanted()? {
        if present(&path)? != wanted {
            fs::write(&path, wanted)?;
            println!("updated {}", path.display());
        }
    }
    Ok(())
}

/// Fails, naming each page that is not what the code makes.
pub(crate) fn check() -> Result {
    let mut stale = Vec::new();
    for (path, wanted) in wanted()? {
        if present(&path)? != wanted {
            stale.push(path.strip_prefix(tree::root())?.display().to_string());
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!("these files differ from what the code makes; run `cargo xtask docs`: {}", stale.join(", "))
        .into())
}

/// Every page and its text.
fn wanted() -> Result<Vec<(PathBuf, String)>> {
    let configuration = tree::docs().join("configuration.md");
    let page = spliced(&present(&configuration)?, &explained("markdown")?)?;
    Ok(vec![
        (api_reference(), api::page()?),
        (configuration, page),
        (tree::root().join("fixtures/config/prism.yaml"), explained("yaml")?),
    ])
}

fn api_reference() -> PathBuf {
    tree::docs().join("api-reference.md")
}

/// A page's text; empty if there is none yet.
fn present(path: &Path) -> Result<String> {
    Ok(if path.exists() { fs::read_to_string(path)? } else { String::new() })
}

/// What `prism` says of its configuration. It is asked, and not linked: this crate must build, so that it can generate code,
/// when the crates that use the generated code do not.
fn explained(form: &str) -> Result<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--package", "prism-proxy", "--", "check-config"]);
    let answer = command.arg(format!("--explain={form}")).current_dir(tree::root()).output()?;
    if !answer.status.success() {
        return Err(format!("{command:?} failed:\n{}", String::from_utf8_lossy(&answer.stderr)).into());
    }
    Ok(String::from_utf8(answer.stdout)?)
}

/// `page` with `part` between its two marks.
fn spliced(page: &str, part: &str) -> Result<String> {
    let marks = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = marks.ok_or_else(|| format!("a page lacks the marks {BEGIN}and {END}"))?;
    Ok([before, BEGIN, "\n", part.trim_end(), "\n\n", END, after].concat())
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, api, api_reference, present, spliced};

    // The other pages are compared in proxy/tests/config, where the table they are made from can be asked.
    #[test]
    fn the_api_reference_is_what_the_proto_files_say() {
        let same = present(&api_reference()).unwrap() == api::page().unwrap();
        assert!(same, "docs/api-reference.md differs from the .proto files; run `cargo xtask docs`");
    }

    #[test]
    fn a_part_goes_between_its_marks_and_nothing_else_changes() {
        let page = format!("before\n{BEGIN}old\n{END}after\n");
        assert_eq!(spliced(&page, "new\n").unwrap(), format!("before\n{BEGIN}\nnew\n\n{END}after\n"));
        assert!(spliced("no marks\n", "new").unwrap_err().to_string().starts_with("a page lacks the marks"));
    }
}
