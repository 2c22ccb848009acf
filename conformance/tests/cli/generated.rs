//! Completions, man pages and the reference of the command line. The proxy's tests cover what both programs share.

use super::prism_conformance;

#[tokio::test]
async fn the_page_of_the_command_line_is_up_to_date() {
    let reference = prism_conformance(&["reference"]).await.out;
    assert!(reference.starts_with("## prism-conformance\n"), "{reference}");
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md")).unwrap();
    assert!(page.contains(reference.trim()), "docs/cli.md differs from the help; run `cargo xtask docs`");
}

#[tokio::test]
async fn completions_and_man_pages_are_those_of_this_program() {
    let script = prism_conformance(&["completions", "bash"]).await.out;
    assert!(script.contains("-F _prism__conformance ") && script.contains("--known-failing"), "{script}");
    let folder = tempfile::tempdir().unwrap();
    let written = prism_conformance(&["man", folder.path().to_str().unwrap()]).await;
    assert_eq!((written.code, written.out.as_str()), (Some(0), ""), "{}", written.err);
    let page = std::fs::read_to_string(folder.path().join("prism-conformance-run.1")).unwrap();
    assert!(page.contains(".SH EXAMPLES\n"), "{page}");
}
