//! What someone who writes a backend has to build: read from the listing of `cargo tree`.

use std::process::Command;

/// The names of everything that `package` needs with its default features.
fn needs(package: &str) -> Vec<String> {
    let arguments = ["tree", "--locked", "--package", package, "--edges", "normal,build", "--prefix", "none"];
    let listing = Command::new(env!("CARGO")).args(arguments).output().expect("cargo runs");
    assert!(listing.status.success(), "{}", String::from_utf8_lossy(&listing.stderr));
    let listing = String::from_utf8(listing.stdout).expect("cargo lists in UTF-8");
    listing.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_contract_and_the_suite_pull_in_neither_grpc_nor_sql() {
    for (package, has) in [("prism-contract", "bytes"), ("prism-conformance", "prism-contract")] {
        let needs = needs(package);
        assert!(needs.iter().any(|name| name == has), "the listing of {package} is not one: {needs:?}");
        for absent in
            ["tonic", "prost", "hyper", "sqlx", "sqlx-core", "libsqlite3-sys", "prism-proto", "prism-wire"]
        {
            assert!(needs.iter().all(|name| name != absent), "{package} pulls in {absent}");
        }
    }
}

#[test]
fn the_listing_would_show_them() {
    let needs = needs("prism-proxy");
    for present in ["tonic", "prost", "sqlx"] {
        assert!(needs.iter().any(|name| name == present), "{present} is not in {needs:?}");
    }
}
