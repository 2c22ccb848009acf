//! The lists of the repository in the documentation. `.ci/run links book` checks links.

use super::{entries, files, read, root};

#[test]
fn the_summary_of_the_book_lists_every_page() {
    let summary = read("docs/SUMMARY.md");
    let pages = files("docs", "md");
    assert!(pages.len() > 10, "{pages:?}");
    for page in pages.iter().filter(|page| !page.ends_with("SUMMARY.md")) {
        let page = page.strip_prefix("docs").expect("a page of docs/").display();
        assert!(summary.contains(&format!("]({page})")), "docs/SUMMARY.md does not list docs/{page}");
    }
}

#[test]
fn the_folder_tables_list_every_folder() {
    let ignored = read(".gitignore");
    let folders: Vec<_> = entries(root())
        .filter(|path| path.is_dir())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .filter(|folder| {
            !folder.starts_with('.') && !ignored.lines().any(|line| line.trim_matches('/') == folder)
        })
        .collect();
    assert!(folders.iter().any(|folder| folder == "contract"), "{folders:?}");
    for table in ["README.md", "docs/architecture.md"] {
        let text = read(table);
        for folder in &folders {
            let rows = [format!("| `{folder}/`"), format!("| [`{folder}/`")];
            let listed = text.lines().any(|line| rows.iter().any(|row| line.starts_with(row)));
            assert!(listed, "the table of {table} has no row for {folder}/");
        }
    }
}
