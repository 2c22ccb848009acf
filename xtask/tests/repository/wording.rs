//! The texts of the conformance suite for its users.

use super::dependencies::without_tests;
use super::{files, read};

/// Files whose debug forms are not in the text of a failure: a TOML string, and the leaks of a seeded bug.
const EXEMPT: [&str; 2] = ["core/known.rs", "keyvalue/mutants/edge/wording.rs"];

#[test]
fn no_failure_shows_a_value_in_the_debug_form_of_rust() {
    let (mut count, mut tests, mut found) = (0, Vec::new(), Vec::new());
    for folder in ["conformance/src/core", "conformance/src/keyvalue"] {
        for file in files(folder, "rs").into_iter().filter(|file| !EXEMPT.iter().any(|of| file.ends_with(of)))
        {
            count += 1;
            let (code, of_tests) = without_tests(&read(&file));
            // A module's file is beside its parent, or in the folder of the parent's name.
            let places = |name: &String| [file.with_file_name(name), file.with_extension("").join(name)];
            tests.extend(of_tests.iter().flat_map(places));
            if code.contains(":?}") || code.contains(":#?}") {
                found.push(file);
            }
        }
    }
    found.retain(|file| !tests.contains(file));
    assert!(count > 100, "{count} files");
    assert!(found.is_empty(), "use core::Show, as the wire has the value: {found:?}");
}
