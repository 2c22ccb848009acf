//! Sets the version that the programs print: the package's, with the commit where the build knows it.

#[path = "src/commit.rs"]
mod commit;

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/commit.rs");
    println!("cargo:rerun-if-env-changed=PRISM_COMMIT");
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is a folder of the repository");
    let given = env::var("PRISM_COMMIT").unwrap_or_default();
    let commit = if !given.trim().is_empty() {
        Some(commit::parse(given.trim()).unwrap_or_else(|why| panic!("PRISM_COMMIT: {why}")))
    } else if env::var("PROFILE").as_deref() == Ok("release") {
        // A debug build does not ask git: every commit would compile and link the programs and their tests again.
        for file in commit::watched(root) {
            println!("cargo:rerun-if-changed={}", file.display());
        }
        commit::checked_out(root)
    } else {
        None
    };
    let version = env!("CARGO_PKG_VERSION");
    let version = commit.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"));
    println!("cargo:rustc-env=PRISM_VERSION={version}");
}
