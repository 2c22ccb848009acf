//! The source of Prism's crates for a new backend: a checkout, or a release.

use std::path::{Path, PathBuf};

/// The source of Prism's crates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The release with the version of this program, from the package registry.
    Release,
    /// A checkout, by its absolute path.
    Checkout(PathBuf),
}

impl Source {
    /// The checkout that is asked for, else the one in which this program was built, else the release. A program that
    /// `cargo build` put under a checkout's `target` may be ahead of every release.
    pub(super) fn choose(asked: Option<&Path>) -> Result<Self, String> {
        if let Some(folder) = asked {
            let absolute =
                folder.canonicalize().map_err(|error| format!("'{}': {error}", folder.display()))?;
            check(&absolute)
                .map_err(|why| format!("'{}' is no checkout of Prism: {why}", folder.display()))?;
            return Ok(Self::Checkout(absolute));
        }
        let program = std::env::current_exe().ok().and_then(|program| program.canonicalize().ok());
        let around = program.iter().flat_map(|program| program.ancestors());
        Ok(around
            .filter(|folder| check(folder).is_ok())
            .map(|folder| Self::Checkout(folder.to_owned()))
            .next()
            .unwrap_or(Self::Release))
    }

    /// The checkout's path as text.
    pub(super) fn checkout(&self) -> Option<String> {
        match self {
            Self::Release => None,
            Self::Checkout(folder) => Some(folder.display().to_string()),
        }
    }

    /// The value of a dependency on the crate in `folder`, as TOML.
    pub(super) fn of(&self, folder: &str, optional: bool) -> String {
        let place = match self {
            Self::Release => format!("version = {:?}", env!("CARGO_PKG_VERSION")),
            // A string of JSON is one of TOML, too.
            Self::Checkout(root) => {
                format!("path = {}", serde_json::Value::from(root.join(folder).display().to_string()))
            }
        };
        match (self, optional) {
            (Self::Release, false) => format!("{:?}", env!("CARGO_PKG_VERSION")),
            (Self::Checkout(_), false) => format!("{{ {place} }}"),
            (_, true) => format!("{{ {place}, optional = true }}"),
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
    fn a_dependency_is_a_version_or_a_path() {
        let checkout = Source::Checkout(PathBuf::from(r#"/a "b"\c"#));
        let lines = [
            (Source::Release.of("contract", false), format!("\"{}\"", env!("CARGO_PKG_VERSION"))),
            (
                Source::Release.of("proxy", true),
                format!("{{ version = \"{}\", optional = true }}", env!("CARGO_PKG_VERSION")),
            ),
            (checkout.of("contract", false), r#"{ path = "/a \"b\"\\c/contract" }"#.to_owned()),
            (checkout.of("proxy", true), r#"{ path = "/a \"b\"\\c/proxy", optional = true }"#.to_owned()),
        ];
        for (line, expected) in lines {
            assert_eq!(line, expected);
            format!("x = {line}").parse::<toml::Table>().expect("it is TOML");
        }
    }

    #[test]
    fn a_folder_that_is_no_checkout_is_refused_with_the_reason() {
        assert_eq!(Source::choose(Some(&root())), Ok(Source::Checkout(root())));
        let empty = tempfile::tempdir().expect("a temporary folder can be made");
        let missing = Source::choose(Some(empty.path())).expect_err("it is empty");
        assert!(missing.contains("is no checkout of Prism: contract/Cargo.toml: "), "{missing}");
        std::fs::create_dir(empty.path().join("contract")).expect("a folder can be made");
        std::fs::write(empty.path().join("contract/Cargo.toml"), "[package]\nname = \"other\"")
            .expect("a file can be written");
        let other = Source::choose(Some(empty.path())).expect_err("it is another package");
        assert!(other.ends_with("contract/Cargo.toml is not the manifest of prism-contract"), "{other}");
    }
}
