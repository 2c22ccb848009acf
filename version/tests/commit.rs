//! The commit in the version: where it comes from, and what repeats the build script.

#[path = "../src/commit.rs"]
mod commit;

use std::fs;
use std::path::Path;
use std::process::Command;

use commit::{checked_out, parse, watched};
use tempfile::TempDir;

fn git(folder: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=test", "-c", "user.email=test@localhost"])
        .args(arguments)
        .env("GIT_COMMITTER_DATE", "2026-11-29T12:00:00Z")
        .output()
        .expect("git runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A repository with one commit, on the branch main.
fn repository() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    git(folder.path(), &["init", "--quiet", "--initial-branch=main"]);
    commit_again(folder.path());
    folder
}

fn commit_again(folder: &Path) {
    git(folder, &["commit", "--quiet", "--allow-empty", "--message=test"]);
}

/// Names of the watched files, relative to the repository.
fn watched_names(folder: &Path) -> Vec<String> {
    let relative = |file: &Path| file.strip_prefix(folder).expect("a file of it").display().to_string();
    watched(folder).iter().map(|file| relative(file)).collect()
}

#[test]
fn a_commit_is_a_hash_with_an_optional_date() {
    assert_eq!(parse("abc1234"), Ok("abc1234".to_owned()));
    assert_eq!(parse("abc1234567 2026-11-29"), Ok("abc1234 2026-11-29".to_owned()));
    for wrong in
        ["abc123", "abc123x", "abc1234 ", "abc1234 29.11.2026", "abc1234 2026-11-29 dirty", &"a".repeat(65)]
    {
        let why = parse(wrong).expect_err(wrong);
        assert!(
            why.starts_with(&format!("is '{wrong}'; a hash of 7 to 64 hexadecimal digits is allowed")),
            "{why}"
        );
    }
}

#[test]
fn the_commit_is_the_one_that_is_checked_out() {
    let repository = repository();
    let first = checked_out(repository.path()).expect("a commit");
    assert!(first.ends_with(" 2026-11-29"), "{first}");
    let head = Command::new("git").arg("-C").arg(repository.path()).args(["rev-parse", "HEAD"]).output();
    let head = String::from_utf8(head.expect("git runs").stdout).expect("a hash");
    assert!(head.starts_with(&first[..7]), "{first} of {head}");
}

#[test]
fn a_folder_inside_another_repository_has_no_commit() {
    let repository = repository();
    let inside = repository.path().join("unpacked");
    fs::create_dir(&inside).expect("a folder");
    assert_eq!(checked_out(&inside), None);
}

#[test]
fn a_folder_without_a_repository_has_no_commit() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(checked_out(folder.path()), None);
    assert!(watched(folder.path()).is_empty());
}

#[test]
fn head_and_the_file_of_its_branch_are_watched() {
    let repository = repository();
    assert_eq!(watched_names(repository.path()), [".git/HEAD", ".git/refs/heads/main"]);
}

#[test]
fn a_packed_branch_is_watched_until_its_next_commit() {
    let repository = repository();
    git(repository.path(), &["pack-refs", "--all"]);
    assert_eq!(watched_names(repository.path()), [".git/HEAD", ".git/packed-refs", ".git/refs/heads"]);
    commit_again(repository.path());
    assert_eq!(watched_names(repository.path()), [".git/HEAD", ".git/refs/heads/main"]);
}

#[test]
fn a_repository_without_a_commit_has_none_and_watches_only_what_exists() {
    let folder = tempfile::tempdir().expect("a folder");
    git(folder.path(), &["init", "--quiet", "--initial-branch=main"]);
    assert_eq!(checked_out(folder.path()), None);
    assert_eq!(watched_names(folder.path()), [".git/HEAD", ".git/refs/heads"]);
}

#[test]
fn without_a_branch_head_alone_is_watched() {
    let repository = repository();
    git(repository.path(), &["checkout", "--quiet", "--detach"]);
    assert_eq!(watched_names(repository.path()), [".git/HEAD"]);
}
