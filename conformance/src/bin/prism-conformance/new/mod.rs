//! `new`: writes a backend in Rust, or a server in Python, that builds and fails the suite.

mod name;
mod source;
mod template;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use prism_conformance::report::quoted;

use crate::args::{LanguageArg, NewArgs};
use crate::output::{eprint, print, program};
use crate::{OK, USAGE};
use source::Checkout;

pub(crate) fn new(args: &NewArgs) -> u8 {
    match write(args) {
        Ok(summary) => {
            print(summary);
            OK
        }
        Err(why) => {
            eprint(why);
            USAGE
        }
    }
}

/// Writes the files; returns what was written and what to run next.
fn write(args: &NewArgs) -> Result<String, String> {
    let name = name::of(&args.path, args.language)?;
    // All that may be refused comes before `place`, which creates the parent folder.
    let checkout = match args.language {
        LanguageArg::Rust => Some(Checkout::choose(args.prism.as_deref())?),
        LanguageArg::Python if args.prism.is_none() => None,
        LanguageArg::Python => {
            return Err("--prism is for --language rust: a server in Python has no crate".to_owned());
        }
    };
    let (parent, folder) = place(&args.path, name)?;
    let (files, summary) = match &checkout {
        Some(checkout) => of_rust(args, name, checkout, &parent)?,
        None => of_python(args, name),
    };
    write_all(&parent, &folder, &files).map_err(|error| format!("'{}': {error}", args.path.display()))?;
    Ok(format!("{}: {} files of {summary}\n", args.path.display(), files.len()))
}

/// The files, as (path, text), and the rest of the summary.
type Written = (Vec<(String, String)>, String);

fn of_rust(args: &NewArgs, name: &str, checkout: &Checkout, parent: &Path) -> Result<Written, String> {
    let files = template::rust(name, checkout, is_in_workspace(parent))
        .map_err(|error| format!("the template cannot be filled in: {error}"))?;
    let summary = format!(
        "a crate that builds and fails the suite; the stubs are in src/lib.rs\n\
         Prism: the crates of the checkout {}, by path\n\
         next:  cd {} && cargo test",
        checkout.path(),
        quoted(&args.path.display().to_string())
    );
    Ok((files, summary))
}

fn of_python(args: &NewArgs, name: &str) -> Written {
    let summary = format!(
        "a server that starts and fails the suite; the stubs are in server.py\n\
         next:  cd {}\n       \
         python3 -m venv .venv && .venv/bin/pip install --requirement requirements.txt\n       \
         {} run --spawn '.venv/bin/python server.py'",
        quoted(&args.path.display().to_string()),
        program()
    );
    (template::python(name), summary)
}

/// The parent of the new folder, which is created if it is missing, and the folder, which does not exist or is empty.
fn place(path: &Path, name: &str) -> Result<(PathBuf, PathBuf), String> {
    let shown = path.display();
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let failed = |error: std::io::Error| format!("'{shown}': {error}");
    match fs::read_dir(path).map(|mut entries| entries.next().is_some()) {
        Ok(false) => {}
        Ok(true) => {
            return Err(format!("'{shown}' exists and is not empty; a new or an empty folder is allowed"));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) if error.kind() == ErrorKind::NotADirectory && path.exists() => {
            return Err(format!("'{shown}' is a file; a new or an empty folder is allowed"));
        }
        Err(error) => return Err(failed(error)),
    }
    fs::create_dir_all(parent).map_err(failed)?;
    let parent = parent.canonicalize().map_err(failed)?;
    let folder = parent.join(name);
    Ok((parent, folder))
}

/// Whether a folder is in a workspace of Cargo, to which a package below it would have to belong.
fn is_in_workspace(folder: &Path) -> bool {
    folder.ancestors().any(|folder| {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        manifest.parse::<toml::Table>().is_ok_and(|table| table.contains_key("workspace"))
    })
}

/// Writes the files into a temporary folder beside `folder`, and renames that, so that `folder` is whole or absent.
fn write_all(parent: &Path, folder: &Path, files: &[(String, String)]) -> std::io::Result<()> {
    let beside = tempfile::Builder::new().prefix(".prism-conformance-new-").tempdir_in(parent)?;
    // Within the temporary folder, which is readable by its owner alone.
    let whole = beside.path().join("new");
    for (path, text) in files {
        let path = whole.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&whole))?;
        fs::write(path, text)?;
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::rename(&whole, folder)
}
