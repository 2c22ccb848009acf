//! The files of a new backend: templates embedded in this program, with the rules of the contract filled in.

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, context};
use prism_contract::Requirement;
use prism_contract::keyvalue::requirements;

use super::source::Checkout;

/// One file of a template: its path in the new folder, and its text before it is filled in.
pub(super) type File = (&'static str, &'static str);

macro_rules! file {
    ($folder:literal, $path:literal, $source:literal) => {
        ($path, include_str!(concat!("../../../../templates/", $folder, "/", $source)))
    };
}

/// A crate in Rust.
pub(super) const RUST: &[File] = &[
    file!("rust", ".gitignore", "gitignore.jinja"),
    file!("rust", "Cargo.toml", "Cargo.toml.jinja"),
    file!("rust", "README.md", "README.md.jinja"),
    file!("rust", "src/lib.rs", "src/lib.rs.jinja"),
    file!("rust", "src/main.rs", "src/main.rs.jinja"),
    file!("rust", "tests/conformance.rs", "tests/conformance.rs.jinja"),
];

/// A server in Python, which `examples/server-python` shares all but two files with.
pub(super) const PYTHON: &[File] = &[
    file!("python", "README.md", "README.md"),
    file!("python", "checks.py", "checks.py"),
    file!("python", "prism/common/errors_pb2.py", "prism/common/errors_pb2.py"),
    file!("python", "prism/common/errors_pb2.pyi", "prism/common/errors_pb2.pyi"),
    file!("python", "prism/common/metadata_pb2.py", "prism/common/metadata_pb2.py"),
    file!("python", "prism/common/metadata_pb2.pyi", "prism/common/metadata_pb2.pyi"),
    file!("python", "prism/common/types_pb2.py", "prism/common/types_pb2.py"),
    file!("python", "prism/common/types_pb2.pyi", "prism/common/types_pb2.pyi"),
    file!("python", "prism/keyvalue/v1/keyvalue_pb2.py", "prism/keyvalue/v1/keyvalue_pb2.py"),
    file!("python", "prism/keyvalue/v1/keyvalue_pb2.pyi", "prism/keyvalue/v1/keyvalue_pb2.pyi"),
    file!("python", "prism/keyvalue/v1/types_pb2.py", "prism/keyvalue/v1/types_pb2.py"),
    file!("python", "prism/keyvalue/v1/types_pb2.pyi", "prism/keyvalue/v1/types_pb2.pyi"),
    file!("python", "prism/options_pb2.py", "prism/options_pb2.py"),
    file!("python", "prism/options_pb2.pyi", "prism/options_pb2.pyi"),
    file!("python", "requirements.txt", "requirements.txt"),
    file!("python", "server.py", "server.py"),
    file!("python", "wire.py", "wire.py"),
];

/// Maximum width of a comment, in columns; that of rustfmt.
const WIDTH: usize = 100;

/// The files of a crate, as (path, text).
pub(super) fn rust(
    name: &str,
    checkout: &Checkout,
    in_workspace: bool,
) -> Result<Vec<(String, String)>, Error> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.add_function("rules", |ids: &str, indent: usize| comments_of(ids, indent));
    templates.add_function("ids", |ids: &str| listed(&found(ids)?));
    templates.add_function("ids_of", |capability: &str| {
        let of_capability = |rule: &&Requirement| rule.capability.as_deref() == Some(capability);
        listed(&requirements().iter().filter(of_capability).collect::<Vec<_>>())
    });
    templates.add_function("wrap", |text: &str, start: &str| wrapped(text, start, start));
    let dependencies = checkout.clone();
    templates.add_function("prism", move |folder: &str, optional: bool| dependencies.of(folder, optional));
    let values = context! {
        name,
        crate => name.replace('-', "_"),
        short => name.strip_suffix("-backend").unwrap_or(name),
        rust_version => env!("CARGO_PKG_RUST_VERSION"),
        checkout => checkout.path(),
        in_workspace,
    };
    // A template drops the newline at its end.
    let render = |(path, text): &File| Ok(((*path).to_owned(), templates.render_str(text, &values)? + "\n"));
    RUST.iter().map(render).collect()
}

/// The files of a server, as (path, text). Generated code may hold braces, so only the name is filled in.
pub(super) fn python(name: &str) -> Vec<(String, String)> {
    PYTHON.iter().map(|(path, text)| ((*path).to_owned(), text.replace("{{name}}", name))).collect()
}

/// The rules with these ids, in this order.
fn found(ids: &str) -> Result<Vec<&'static Requirement>, Error> {
    let find = |id: &str| requirements().iter().find(|rule| rule.id == id);
    let missing = |id| Error::new(ErrorKind::InvalidOperation, format!("{id} is not a rule"));
    ids.split(' ').map(|id| find(id).ok_or_else(|| missing(id))).collect()
}

fn listed(rules: &[&Requirement]) -> Result<String, Error> {
    if rules.is_empty() {
        return Err(Error::new(ErrorKind::InvalidOperation, "a list without a rule"));
    }
    Ok(rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>().join(", "))
}

/// A comment for each rule. The first line is not indented, because the template indents it.
fn comments_of(ids: &str, indent: usize) -> Result<String, Error> {
    let space = " ".repeat(indent);
    let comment = |rule: &Requirement| {
        let text = format!("{}: {}", rule.id, rule.text);
        wrapped(&text, &format!("{space}// "), &format!("{space}//   "))
    };
    let comments: Vec<_> = found(ids)?.into_iter().map(comment).collect();
    Ok(comments.join("\n").trim_start().to_owned())
}

/// A text in lines of at most [`WIDTH`] columns, if no word is longer. `first` starts the first line, and `next` the others.
fn wrapped(text: &str, first: &str, next: &str) -> String {
    let (mut lines, mut line) = (Vec::new(), first.to_owned());
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, next.to_owned()));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines.push(line);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn written(in_workspace: bool) -> Vec<(String, String)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let checkout = Checkout::choose(Some(&root)).expect("the workspace is there");
        rust("my-backend", &checkout, in_workspace).expect("the templates are complete")
    }

    fn text_of(path: &str) -> String {
        let files = written(false);
        files.into_iter().find(|(at, _)| at == path).expect("the file is in the template").1
    }

    #[test]
    fn every_rule_is_in_the_stubs_or_among_those_that_the_gateway_keeps() {
        let stubs = text_of("src/lib.rs");
        let words: Vec<_> = stubs.split(|char: char| !char.is_ascii_alphanumeric() && char != '-').collect();
        for rule in requirements() {
            let id = &rule.id;
            assert!(
                words.contains(&id.as_str()),
                "{id} is not in templates/rust/src/lib.rs.jinja: name it in the method that keeps it, or at the top"
            );
        }
        let put_1 = "        // PUT-1: Put replaces the whole item: its value and the metadata that the client gives.\n";
        assert!(stubs.contains(put_1), "{stubs}");
    }

    #[test]
    fn no_line_of_the_crate_is_longer_than_rustfmt_allows() {
        for (path, text) in written(true) {
            for line in text
                .lines()
                .filter(|_| Path::new(&path).extension().is_some_and(|extension| extension == "rs"))
            {
                assert!(line.chars().count() <= WIDTH, "{path}: {line}");
            }
            assert!(text.ends_with('\n') && !text.contains("{{"), "{path} ends with:\n{text}");
        }
    }

    #[test]
    fn a_crate_in_a_workspace_is_kept_apart_from_it() {
        let table = |inside| {
            let (_, manifest) =
                written(inside).into_iter().find(|(path, _)| path == "Cargo.toml").expect("a manifest");
            manifest.parse::<toml::Table>().expect("the manifest is TOML")
        };
        assert!(table(true).contains_key("workspace"));
        assert!(!table(false).contains_key("workspace"));
    }

    #[test]
    fn every_file_of_the_templates_is_embedded() {
        fn count(folder: &Path) -> usize {
            let entries = std::fs::read_dir(folder).expect("the folder is there").flatten();
            let entries = entries.filter(|entry| entry.file_name() != "__pycache__");
            entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
        }
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        assert_eq!(count(&templates.join("rust")), RUST.len());
        assert_eq!(count(&templates.join("python")), PYTHON.len());
    }

    #[test]
    fn a_server_has_its_name_and_no_placeholder() {
        let files = python("my-server");
        let text_of =
            |path: &str| &files.iter().find(|(at, _)| at == path).expect("the file is in the template").1;
        assert!(text_of("README.md").starts_with("# my-server\n"));
        assert!(text_of("server.py").starts_with("\"\"\"my-server: "));
        assert!(files.iter().all(|(_, text)| !text.contains("{{name}}")));
    }
}
