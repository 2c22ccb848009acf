//! Lists of pages and folders in the documentation. Links are checked by lychee (`.ci/run links book`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The repository's files below `path`: tracked, or untracked and not ignored.
fn files(path: &str) -> Vec<String> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard", "--", path];
    let listing = Command::new("git").args(arguments).current_dir(root()).output().expect("git runs");
    assert!(listing.status.success(), "{}", String::from_utf8_lossy(&listing.stderr));
    let listing = String::from_utf8(listing.stdout).expect("the output is UTF-8");
    listing.lines().filter(|name| root().join(name).is_file()).map(str::to_owned).collect()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn the_summary_of_the_book_lists_every_page() {
    let summary = read("docs/SUMMARY.md");
    let pages = files("docs/*.md");
    assert!(pages.len() > 10, "{pages:?}");
    for page in pages.iter().filter(|page| *page != "docs/SUMMARY.md") {
        let page = page.strip_prefix("docs/").expect("a page of docs/");
        assert!(summary.contains(&format!("]({page})")), "docs/SUMMARY.md does not list docs/{page}");
    }
}

#[test]
fn the_folder_tables_list_every_folder() {
    let folders: BTreeSet<String> = files(".")
        .iter()
        .filter_map(|name| name.split_once('/').map(|(folder, _)| folder.to_owned()))
        .filter(|folder| !folder.starts_with('.'))
        .collect();
    assert!(folders.contains("contract"), "{folders:?}");
    for table in ["README.md", "docs/architecture.md"] {
        let text = read(table);
        for folder in &folders {
            let named = text.lines().any(|line| {
                line.starts_with(&format!("| `{folder}/`")) || line.starts_with(&format!("| [`{folder}/`"))
            });
            assert!(named, "the table of {table} has no row for {folder}/");
        }
    }
}
