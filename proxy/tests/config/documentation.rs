//! The documented example and reference match the table of keys.

use std::path::Path;

use prism_proxy::config::Config;

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

#[test]
fn the_example_equals_the_output_of_check_config_explain() {
    let same = text("fixtures/config/prism.yaml") == Config::example();
    assert!(same, "fixtures/config/prism.yaml differs from the table of keys; run `cargo xtask docs`");
}

#[test]
fn the_page_contains_the_reference_of_every_key() {
    let page = text("docs/configuration.md");
    let (_, reference) = page.split_once("<!-- made by `cargo xtask docs`: begin -->\n").unwrap();
    let (reference, _) = reference.split_once("<!-- made by `cargo xtask docs`: end -->\n").unwrap();
    let same = reference.trim() == Config::reference().trim();
    assert!(same, "docs/configuration.md differs from the table of keys; run `cargo xtask docs`");
}
