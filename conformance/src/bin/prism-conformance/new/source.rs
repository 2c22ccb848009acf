//! The checkout of Prism whose crates a new backend uses, by path: they are in no package registry.

use std::path::{Path, PathBuf};

/// A folder that holds Prism's crates, as an absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkout(PathBuf);

impl Checkout {
    /// The checkout that is asked for, else the one in which this program was built.
    pub(super) fn choose(asked: Option<&Path>) -> Result<Self, String> {
        if let Some(folder) = asked {
            let absolute =
                folder.canonicalize().map_err(|error| format!("'{}': {error}", folder.display()))?;
            check(&absolute)
                .map_err(|why| format!("'{}' is no checkout of Prism: {why}", folder.display()))?;
            return Ok(Self(absolute));
        }
        let program = std::env::current_exe().ok().and_then(|program| program.canonicalize().ok());
        Self::around(program.as_deref().unwrap_or(Path::new(""))).ok_or_else(|| {
            "this program is not in a checkout of Prism, whose crates a backend in Rust uses by path; name one with \
             --prism DIR (--language python needs none)"
                .to_owned()
        })
    }

    /// The innermost checkout that `program` is in, such as below its folder `target`.
    fn around(program: &Path) -> Option<Self> {
        program.ancestors().find(|folder| check(folder).is_ok()).map(|folder| Self(folder.to_owned()))
    }

    /// The path as text.
    pub(super) fn path(&self) -> String {
        self.0.display().to_string()
    }

    /// The value of a dependency on the crate in `folder`, as TOML.
    pub(super) fn of(&self, folder: &str, optional: bool) -> String {
        // A string of JSON is one of TOML, too.
        let path = serde_json::Value::from(self.0.join(folder).display().to_string());
        if optional {
            format!("{{ path = {path}, optional = true }}")
        } else {
            format!("{{ path = {path} }}")
        }
    }
}

/// Whether a folder holds the crates that a new backend depends on.
fn check(folder: &Path) -> Result<(), String> {
    for (path, package) in [
        ("contract/Cargo.toml", "prism-contract"),
        ("conformance/Cargo.toml", "prism-conformance"),
        ("proxy/Cargo.toml", "prism-proxy"),
    ] {
        let text = std::fs::read_to_string(folder.join(path)).map_err(|error| format!("{path}: {error}"))?;
        let manifest: toml::Table =
            text.parse().map_err(|error: toml::de::Error| format!("{path}: {}", error.message()))?;
        let found = manifest.get("package").and_then(|table| table.get("name")).and_then(toml::Value::as_str);
        if found != Some(package) {
            return Err(format!("{path} is not the manifest of {package}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        root.canonicalize().expect("the workspace is there")
    }

    #[test]
    fn a_dependency_is_a_path_in_toml() {
        let checkout = Checkout(PathBuf::from(r#"/a "b"\c"#));
        for (line, expected) in [
            (checkout.of("contract", false), r#"{ path = "/a \"b\"\\c/contract" }"#),
            (checkout.of("proxy", true), r#"{ path = "/a \"b\"\\c/proxy", optional = true }"#),
        ] {
            assert_eq!(line, expected);
            format!("x = {line}").parse::<toml::Table>().expect("it is TOML");
        }
    }

    #[test]
    fn a_program_below_a_checkout_uses_it_and_any_other_has_none() {
        assert_eq!(Checkout::around(&root().join("target/debug/prism-conformance")), Some(Checkout(root())));
        assert_eq!(Checkout::around(Path::new("/usr/local/bin/prism-conformance")), None);
    }

    #[test]
    fn a_folder_that_is_no_checkout_is_refused_with_the_reason() {
        assert_eq!(Checkout::choose(Some(&root())), Ok(Checkout(root())));
        let empty = tempfile::tempdir().expect("a temporary folder can be made");
        let missing = Checkout::choose(Some(empty.path())).expect_err("it is empty");
        assert!(missing.contains("is no checkout of Prism: contract/Cargo.toml: "), "{missing}");
        std::fs::create_dir(empty.path().join("contract")).expect("a folder can be made");
        std::fs::write(empty.path().join("contract/Cargo.toml"), "[package]\nname = \"other\"")
            .expect("a file can be written");
        let other = Checkout::choose(Some(empty.path())).expect_err("it is another package");
        assert!(other.ends_with("contract/Cargo.toml is not the manifest of prism-contract"), "{other}");
    }
}
