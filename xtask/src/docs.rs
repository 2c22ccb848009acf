//! Generated pages of the book: the API reference, the configuration reference and its example, the command line, the
//! conformance matrices, the mutants of the wrappers, and the figures of the landing page.

mod api;
mod comments;
mod figures;
mod mutants;
mod prose;

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Result, process, tree};

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

/// Updates the page of the mutants of the wrappers.
pub(crate) fn write_mutants() -> Result {
    Ok(fs::write(mutants_page(), mutants::page()?)?)
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
    let matrix = matrix("keyvalue")?;
    let landing = splice(&present(&landing_page())?, &figures::paragraph(&matrix)?)?;
    let cli = tree::docs().join("cli.md");
    let commands = splice(&present(&cli)?, &command_reference()?)?;
    let mut pages = vec![
        (configuration, page),
        (cli, commands),
        (tree::root().join("fixtures/config/prism.yaml"), explained("yaml")?),
        (matrix_page(), matrix),
        (tree::docs().join("timeseries/conformance-matrix.md"), self::matrix("timeseries")?),
        (mutants_page(), mutants::page()?),
        (landing_page(), landing),
    ];
    for page in api::PAGES {
        pages.push((tree::docs().join(page.path), page.text()?));
    }
    Ok(pages)
}

fn matrix_page() -> PathBuf {
    tree::docs().join("conformance-matrix.md")
}

fn mutants_page() -> PathBuf {
    tree::docs().join("wrapper-mutants.md")
}

fn landing_page() -> PathBuf {
    tree::docs().join("index.md")
}

/// The current text of a page; empty if it does not exist.
fn present(path: &Path) -> Result<String> {
    Ok(if path.exists() { fs::read_to_string(path)? } else { String::new() })
}

/// The package and the program of the suite, for `cargo run`.
const SUITE: [&str; 6] =
    ["--package", "prism-conformance", "--features", "cli", "--bin", "prism-conformance"];

/// The output of `prism check-config --explain`. Run as a program and not linked: this crate must build, to generate code,
/// even if the crates that use the generated code do not.
fn explained(form: &str) -> Result<String> {
    run(&["--package", "prism-proxy", "--", "check-config", &format!("--explain={form}")])
}

/// The page of the recorded kill matrix, from `prism-conformance matrix`, which is run as a program for the same reason.
fn matrix(abstraction: &str) -> Result<String> {
    run(&[&SUITE[..], &["--", "matrix", "--abstraction", abstraction]].concat())
}

/// The commands of both programs, which print their reference.
fn command_reference() -> Result<String> {
    let reference = ["--", "reference"];
    let marks = [
        "--background",
        "serve",
        "--skip",
        "verify=audit.md runs it, with a log to verify",
        "--skip",
        "status=another machine's address is in it; operating.md runs it",
        "--skip",
        "backup=backup.md runs it, with a database to copy",
        "--skip",
        "check=backup.md runs it, with a database to check",
        "--skip",
        "gc=backup.md runs it, with a database to sweep",
        "--skip",
        "rekey=encryption.md runs it, with keys and a namespace",
        "--skip",
        "show=its namespace is created below",
        "--skip",
        "watch=its second command does not end",
        "--skip",
        "tail=its commands do not end",
    ];
    let prism = run(&[&["--package", "prism-proxy"][..], &reference, &marks].concat())?;
    let suite = run(&[&SUITE[..], &reference].concat())?;
    Ok(format!("{}\n\n{}", prism.trim_end(), suite.trim_end()))
}

/// The output of `cargo run` with these arguments.
fn run(arguments: &[&str]) -> Result<String> {
    let mut command = process::cargo();
    command.args(["run", "--quiet"]).args(arguments);
    let output = command.output()?;
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
    use super::{
        BEGIN, END, api, figures, landing_page, matrix_page, mutants, mutants_page, present, splice, tree,
    };

    // The other pages are compared in proxy/tests/config, which has access to their settings table, and in
    // conformance/tests/selftest.rs, which has the cases.
    #[test]
    fn the_api_reference_is_up_to_date() {
        for page in api::PAGES {
            let same = present(&tree::docs().join(page.path)).unwrap() == page.text().unwrap();
            assert!(same, "docs/{} is out of date with the .proto files; run `cargo xtask docs`", page.path);
        }
    }

    #[test]
    fn the_page_of_the_mutants_is_up_to_date() {
        let same = present(&mutants_page()).unwrap() == mutants::page().unwrap();
        assert!(same, "docs/wrapper-mutants.md is out of date with mutants/; run `cargo xtask docs`");
    }

    #[test]
    fn the_figures_of_the_landing_page_are_those_of_the_conformance_matrix() {
        let figures = figures::paragraph(&present(&matrix_page()).unwrap()).unwrap();
        let page = present(&landing_page()).unwrap();
        assert!(
            page == splice(&page, &figures).unwrap(),
            "docs/index.md is out of date; run `cargo xtask docs`"
        );
    }

    #[test]
    fn splicing_replaces_only_the_text_between_the_markers() {
        let page = format!("before\n{BEGIN}old\n{END}after\n");
        assert_eq!(splice(&page, "new\n").unwrap(), format!("before\n{BEGIN}\nnew\n\n{END}after\n"));
        let error = splice("no markers\n", "new").unwrap_err().to_string();
        assert!(error.starts_with("a page lacks the markers"), "{error}");
    }
}
