//! `new`: what it writes, and what it refuses. `.ci/author.py` builds the crate and runs its suite.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tempfile::tempdir;

use super::{Answer, prism_conformance};

/// This repository, as a checkout.
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

async fn new(path: &Path, more: &[&str]) -> Answer {
    let path = path.to_str().expect("the path is UTF-8");
    prism_conformance(&[&["new", path], more].concat()).await
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("the folder is there").flatten();
    entries.map(|entry| entry.file_name().into_string().expect("the name is UTF-8")).collect()
}

#[tokio::test]
async fn new_writes_a_crate_and_prints_where_prism_is_from_and_the_next_command() {
    let folder = tempdir().expect("a temporary folder can be made");
    let crate_folder = folder.path().join("stores/my-backend");
    let answer = new(&crate_folder, &["--prism", CHECKOUT]).await;
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    let checkout = Path::new(CHECKOUT).canonicalize().expect("the checkout is there");
    assert!(answer.out.contains(&format!("the crates of the checkout {}", checkout.display())));
    assert_eq!(answer.last_line(), format!("next:  cd {} && cargo test", crate_folder.display()));
    assert_eq!(names_in(&folder.path().join("stores")), BTreeSet::from(["my-backend".to_owned()]));
    let files = [".gitignore", "Cargo.toml", "README.md", "src", "tests"].map(str::to_owned);
    assert_eq!(names_in(&crate_folder), BTreeSet::from(files));
    let read = |path| fs::read_to_string(crate_folder.join(path)).expect("the file is written");
    let manifest: toml::Table = read("Cargo.toml").parse().expect("the manifest is TOML");
    let contract = manifest["dependencies"]["prism-contract"]["path"].as_str();
    assert_eq!(contract, checkout.join("contract").to_str());
    assert!(read("tests/conformance.rs").contains("use my_backend::{CAPABILITIES, Store};"));
}

#[tokio::test]
async fn new_fills_an_empty_folder_and_leaves_any_other_as_it_is() {
    let folder = tempdir().expect("a temporary folder can be made");
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).expect("a folder can be made");
    assert_eq!(new(&empty, &["--prism", CHECKOUT]).await.code, Some(0));
    let full = names_in(&empty);
    assert!(full.contains("Cargo.toml"));

    let file = folder.path().join("file");
    fs::write(&file, "mine").expect("a file can be written");
    for (path, fault) in [(&empty, "exists and is not empty"), (&file, "is a file")] {
        let answer = new(path, &[]).await;
        let expected = format!("'{}' {fault}; a new or an empty folder is allowed\n", path.display());
        assert_eq!((answer.code, answer.out, answer.err), (Some(2), String::new(), expected));
    }
    assert_eq!(names_in(&empty), full);
    assert_eq!(fs::read_to_string(&file).expect("it is still a file"), "mine");
    assert_eq!(names_in(folder.path()), BTreeSet::from(["empty".to_owned(), "file".to_owned()]));
}

#[tokio::test]
async fn new_refuses_a_name_or_a_checkout_before_it_writes() {
    let folder = tempdir().expect("a temporary folder can be made");
    let nowhere = folder.path().join("nowhere").display().to_string();
    for (name, more, fault) in [
        ("My_Backend", &[][..], "the name 'My_Backend' is malformed; "),
        ("bytes", &[], "the name 'bytes' is the name of a dependency; "),
        ("mine", &["--prism", &nowhere], &format!("'{nowhere}': ")),
        ("mine", &["--language", "python", "--prism", CHECKOUT], "--prism is for --language rust: "),
    ] {
        let answer = new(&folder.path().join("stores").join(name), more).await;
        assert_eq!((answer.code, answer.out.as_str()), (Some(2), ""), "{name}");
        assert!(answer.err.starts_with(fault), "{name}: {}", answer.err);
    }
    assert_eq!(names_in(folder.path()), BTreeSet::new());
}

#[tokio::test]
async fn new_writes_a_server_in_python_with_its_generated_messages() {
    let folder = tempdir().expect("a temporary folder can be made");
    let server = folder.path().join("my-server");
    let answer = new(&server, &["--language", "python"]).await;
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    assert!(answer.last_line().ends_with(" run --spawn '.venv/bin/python server.py'"), "{}", answer.out);
    for file in ["server.py", "wire.py", "requirements.txt", "prism/keyvalue/v1/keyvalue_pb2.py"] {
        assert!(server.join(file).is_file(), "{file}");
    }
}
