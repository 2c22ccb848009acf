//! Dependencies of a backend author's build, from the output of `cargo tree`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{files, read};

/// Names of all dependencies of `package` with default features.
fn dependencies(package: &str) -> Vec<String> {
    let arguments = ["tree", "--locked", "--package", package, "--edges", "normal,build", "--prefix", "none"];
    let listing = Command::new(env!("CARGO")).args(arguments).output().expect("cargo runs");
    assert!(listing.status.success(), "{}", String::from_utf8_lossy(&listing.stderr));
    let listing = String::from_utf8(listing.stdout).expect("the output is UTF-8");
    listing.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_contract_and_the_suite_pull_in_neither_grpc_nor_sql() {
    for (package, dependency) in [("prism-contract", "bytes"), ("prism-conformance", "prism-contract")] {
        let found = dependencies(package);
        assert!(found.iter().any(|name| name == dependency), "{package} without {dependency}: {found:?}");
        for absent in
            ["tonic", "prost", "hyper", "sqlx", "sqlx-core", "libsqlite3-sys", "prism-proto", "prism-wire"]
        {
            assert!(found.iter().all(|name| name != absent), "{package} pulls in {absent}");
        }
    }
}

#[test]
fn no_build_for_users_has_seeded_faults() {
    for package in ["prism-proxy", "prism-conformance", "prism-backends"] {
        let arguments = ["tree", "--locked", "--package", package, "--edges", "normal,build,features"];
        let listing = Command::new(env!("CARGO")).args(arguments).output().expect("cargo runs");
        assert!(listing.status.success(), "{}", String::from_utf8_lossy(&listing.stderr));
        let listing = String::from_utf8(listing.stdout).expect("the output is UTF-8");
        assert!(listing.contains("prism-contract"), "{listing}");
        assert!(!listing.contains("prism-mutants feature \"seeded\""), "{package}");
    }
}

#[test]
fn the_listing_includes_transitive_dependencies() {
    let found = dependencies("prism-proxy");
    for present in ["tonic", "prost", "sqlx"] {
        assert!(found.iter().any(|name| name == present), "{present} is not in {found:?}");
    }
}

/// The code of a source file without tests and comments, and the file names of its test-only modules.
pub(super) fn without_tests(text: &str) -> (String, Vec<String>) {
    let (mut code, mut tests) = (String::new(), Vec::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line != "#[cfg(test)]" {
            code += line.split("//").next().unwrap_or_default();
            code.push('\n');
            continue;
        }
        match lines.next().and_then(|module| module.strip_prefix("mod ")) {
            Some(module) if module.ends_with(';') => {
                tests.push(format!("{}.rs", module.trim_end_matches(';')));
            }
            // An inline test module is at the end of its file.
            Some(_) => break,
            None => {}
        }
    }
    (code, tests)
}

/// The files of a folder whose non-test code names an abstraction, and the total number of files.
fn names_an_abstraction(folder: &str, except: &[&str]) -> (Vec<PathBuf>, usize) {
    let (mut found, mut tests, mut count) = (Vec::new(), Vec::new(), 0);
    for file in files(folder, "rs") {
        if except.iter().any(|except| file.starts_with(except)) {
            continue;
        }
        count += 1;
        let (code, of_tests) = without_tests(&read(&file));
        tests.extend(of_tests.iter().map(|name| file.with_file_name(name)));
        let code = code.to_lowercase();
        if ["keyvalue", "timeseries"].iter().any(|abstraction| code.contains(abstraction)) {
            found.push(file);
        }
    }
    found.retain(|file| !tests.contains(file));
    (found, count)
}

#[test]
fn shared_code_names_no_abstraction() {
    for folder in [
        "contract/src/common",
        "backends/src/engine",
        "backends/src/sqlite/engine",
        "backends/src/postgres/engine",
        "conformance/src/core",
    ] {
        let (found, count) = names_an_abstraction(folder, &[]);
        assert!(count > 3, "{folder} has {count} files");
        assert!(found.is_empty(), "{found:?}");
    }
    // The root of the crate declares the modules.
    let (found, _) = names_an_abstraction("wire/src", &["wire/src/keyvalue", "wire/src/timeseries"]);
    assert_eq!(found, [Path::new("wire/src/lib.rs")]);
}
