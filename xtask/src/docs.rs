//! Generated pages of the book: the API reference, the configuration reference and its example.

mod api;
mod comments;
mod prose;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, tree};

/// Markers around the generated part of a page.
const BEGIN: &str = "<!-- made by `cargo xtask docs`: begin -->\n";
const END: &str = "<!-- made by `cargo xtask docs`: end -->\n";

/// Updates all pages.
pub(crate) fn write() -> Result {
    for (path, expected) in expected()? {
        if present(&path)? != expected {
            fs::write(&path, expected)?;
            println!("updated {}", path.display());
        }
    }
    Ok(())
}

/// Fails with the list of pages that are out of date.
pub(crate) fn check() -> Result {
    let mut stale = Vec::new();
    for (path, expected) in expected()? {
        if present(&path)? != expected {
            stale.push(path.strip_prefix(tree::root())?.display().to_string());
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!("generated pages are out of date; run `cargo xtask docs`: {}", stale.join(", ")).into())
}

/// All generated pages with their text.
fn expected() -> Result<Vec<(PathBuf, String)>> {
    let configuration = tree::docs().join("configuration.md");
    let page = splice(&present(&configuration)?, &explained("markdown")?)?;
    Ok(vec![
        (api_reference(), api::page()?),
        (configuration, page),
        (tree::root().join("fixtures/config/prism.yaml"), explained("yaml")?),
    ])
}

fn api_reference() -> PathBuf {
    tree::docs().join("api-reference.md")
}

/// The current text of a page; empty if it does not exist.
fn present(path: &Path) -> Result<String> {
    Ok(if path.exists() { fs::read_to_string(path)? } else { String::new() })
}

/// The output of `prism check-config --explain`. Run as a program and not linked: this crate must build, to generate code,
/// even if the crates that use the generated code do not.
fn explained(form: &str) -> Result<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--package", "prism-proxy", "--", "check-config"]);
    let output = command.arg(format!("--explain={form}")).current_dir(tree::root()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// `page` with `part` between its markers.
fn splice(page: &str, part: &str) -> Result<String> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or_else(|| format!("a page lacks the markers {BEGIN}and {END}"))?;
    Ok([before, BEGIN, "\n", part.trim_end(), "\n\n", END, after].concat())
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, api, api_reference, present, splice};

    // The other pages are compared in proxy/tests/config, which has access to their settings table.
    #[test]
    fn the_api_reference_is_up_to_date() {
        let same = present(&api_reference()).unwrap() == api::page().unwrap();
        assert!(same, "docs/api-reference.md is out of date with the .proto files; run `cargo xtask docs`");
    }

    #[test]
    fn splicing_replaces_only_the_text_between_the_markers() {
        let page = format!("before\n{BEGIN}old\n{END}after\n");
        assert_eq!(splice(&page, "new\n").unwrap(), format!("before\n{BEGIN}\nnew\n\n{END}after\n"));
        let error = splice("no markers\n", "new").unwrap_err().to_string();
        assert!(error.starts_with("a page lacks the markers"), "{error}");
    }
}
