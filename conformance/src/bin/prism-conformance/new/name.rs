//! The name of a new backend: the last component of its path, and a legal name of a package.

use std::path::Path;

use crate::args::LanguageArg;

/// Maximum length of a name in bytes, as package registries allow it.
const MAX_BYTES: usize = 64;

/// Keywords of Rust, and crates that every crate sees.
const RUST: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Folders that Cargo keeps beside the programs that it builds.
const CARGO: &[&str] = &["build", "deps", "examples", "incremental"];

/// Crates that the new crate depends on, and those of Prism on which they depend: one name and version cannot be two crates.
const DEPENDENCIES: &[&str] = &[
    "async_trait",
    "bytes",
    "prism_backends",
    "prism_cli",
    "prism_conformance",
    "prism_contract",
    "prism_proto",
    "prism_proxy",
    "prism_version",
    "prism_wire",
    "tokio",
];

/// The name of the backend at `path`, or why that is no name.
pub(super) fn of(path: &Path, language: LanguageArg) -> Result<&str, String> {
    let shown = path.display();
    let Some(name) = path.file_name() else {
        return Err(format!("'{shown}' does not end in a name; a path such as my-backend is allowed"));
    };
    let name = name.to_str().ok_or_else(|| format!("the last part of '{shown}' is not UTF-8"))?;
    check(name, language).map_err(|why| format!("the name '{name}' {why}"))?;
    Ok(name)
}

fn check(name: &str, language: LanguageArg) -> Result<(), String> {
    if name.len() > MAX_BYTES {
        return Err(format!("is {} bytes; 1 to {MAX_BYTES} are allowed", name.len()));
    }
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if !name.starts_with(|char: char| char.is_ascii_lowercase()) || !name.bytes().all(allowed) {
        return Err("is malformed; a-z, 0-9, '-' and '_' are allowed, starting with a letter".to_owned());
    }
    match language {
        LanguageArg::Rust => check_rust(&name.replace('-', "_")),
        LanguageArg::Python => Ok(()),
    }
}

fn check_rust(name: &str) -> Result<(), String> {
    let why = if RUST.contains(&name) {
        "is a word of Rust"
    } else if CARGO.contains(&name) {
        "is a folder of Cargo"
    } else if DEPENDENCIES.contains(&name) {
        "is the name of a dependency"
    } else {
        return Ok(());
    };
    Err(format!("{why}; another name is allowed, such as {}-backend", name.replace('_', "-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &str) -> String {
        of(Path::new(path), LanguageArg::Rust).expect_err(path)
    }

    #[test]
    fn the_name_is_the_last_component_of_the_path() {
        for path in ["my-backend", "a/B c/my-backend", "../my-backend/"] {
            assert_eq!(of(Path::new(path), LanguageArg::Rust), Ok("my-backend"));
        }
        for path in [".", "..", "/", "a/.."] {
            assert_eq!(
                refusal(path),
                format!("'{path}' does not end in a name; a path such as my-backend is allowed")
            );
        }
    }

    #[test]
    fn a_name_that_is_no_package_name_is_refused_with_the_reason() {
        let malformed = "is malformed; a-z, 0-9, '-' and '_' are allowed, starting with a letter";
        for name in ["MyBackend", "1st", "-x", "_x", "a b", "a.b", "größe", "a;b", "{{name}}"] {
            assert_eq!(refusal(name), format!("the name '{name}' {malformed}"));
        }
        let long = "a".repeat(65);
        assert_eq!(refusal(&long), format!("the name '{long}' is 65 bytes; 1 to 64 are allowed"));
        for (name, why) in [
            ("match", "is a word of Rust; another name is allowed, such as match-backend"),
            ("proc-macro", "is a word of Rust; another name is allowed, such as proc-macro-backend"),
            ("deps", "is a folder of Cargo; another name is allowed, such as deps-backend"),
            (
                "async_trait",
                "is the name of a dependency; another name is allowed, such as async-trait-backend",
            ),
            (
                "prism-wire",
                "is the name of a dependency; another name is allowed, such as prism-wire-backend",
            ),
        ] {
            assert_eq!(refusal(name), format!("the name '{name}' {why}"));
        }
        assert_eq!(of(Path::new("match"), LanguageArg::Python), Ok("match"));
    }
}
