//! The example and the reference of the documentation are what the table of keys says.

use std::path::Path;

use prism_proxy::config::Config;

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

#[test]
fn the_example_is_what_check_config_explains() {
    let same = text("fixtures/config/prism.yaml") == Config::example();
    assert!(same, "fixtures/config/prism.yaml differs from the table of keys; run `cargo xtask docs`");
}

#[test]
fn the_page_holds_the_reference_of_every_key() {
    let page = text("docs/configuration.md");
    let (_, part) = page.split_once("<!-- made by `cargo xtask docs`: begin -->\n").unwrap();
    let (part, _) = part.split_once("<!-- made by `cargo xtask docs`: end -->\n").unwrap();
    let same = part.trim() == Config::reference().trim();
    assert!(same, "docs/configuration.md differs from the table of keys; run `cargo xtask docs`");
}
